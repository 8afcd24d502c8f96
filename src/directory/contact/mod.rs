//! E-mail addresses and mobile numbers: how two accounts are seen to be one person without keeping
//! either.
//!
//! Stored is HMAC-SHA-256 of the normalised text under a key of this installation (`setting`
//! `contact_key`, drawn at the first start). Without the key the numbers of a country cannot be tried
//! one after the other; with the database *and* the key they can, so the hashes are personal data still.

mod store;

use hmac::{Hmac, KeyInit as _, Mac as _};
use hutong_model::{CompanyId, Platform};
use sha2::Sha256;

use super::PersonId;
use crate::store::{StoreError, Tx};

/// What an account can be recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    Email,
    Mobile,
}

impl Contact {
    pub fn as_str(self) -> &'static str {
        match self {
            Contact::Email => "email",
            Contact::Mobile => "mobile",
        }
    }

    /// The form in which two writings of the same thing are equal; `None` for what is neither.
    fn normal(self, text: &str) -> Option<String> {
        match self {
            Contact::Email => {
                let text = text.trim().to_lowercase();
                let (name, host) = text.split_once('@')?;
                (!name.is_empty() && host.contains('.')).then(|| text.clone())
            }
            Contact::Mobile => {
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                // A Chinese mobile number has 11 digits and begins with 1.
                let digits = match digits.strip_prefix("0086").or(digits.strip_prefix("86")) {
                    Some(rest) if rest.len() == 11 && rest.starts_with('1') => rest.to_owned(),
                    _ => digits,
                };
                (7..=15).contains(&digits.len()).then_some(digits)
            }
        }
    }

    pub(super) fn hash(self, key: &str, company: &CompanyId, text: &str) -> Option<String> {
        let normal = self.normal(text)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
        for part in [self.as_str(), company.as_str(), &normal] {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        Some(hex::encode(mac.finalize().into_bytes()))
    }
}

/// Keeps what a platform tells about an account, as a hash.
pub(super) async fn keep(
    tx: &mut Tx,
    company: &CompanyId,
    platform: Platform,
    person: &PersonId,
    kind: Contact,
    hash: &str,
) -> Result<(), StoreError> {
    store::keep(tx, company, platform, person, kind, hash).await
}

/// People of the company with this e-mail address or mobile number, in the order of their ids. A number
/// may be shared (a front desk, a workshop): more than one answer identifies nobody.
pub async fn people_with(
    tx: &mut Tx,
    company: &CompanyId,
    kind: Contact,
    text: &str,
) -> Result<Vec<PersonId>, StoreError> {
    match store::key(tx).await?.and_then(|key| kind.hash(&key, company, text)) {
        Some(hash) => store::people_with(tx, company, kind, &hash).await,
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_writings_of_one_number_are_equal() {
        let company = CompanyId::new("main").unwrap();
        let hash = |kind: Contact, text: &str| kind.hash("k", &company, text);
        let one = hash(Contact::Mobile, "13800000000");
        assert!(one.is_some());
        for same in ["+8613800000000", "+86-138 0000 0000", "008613800000000"] {
            assert_eq!(hash(Contact::Mobile, same), one, "{same}");
        }
        assert_ne!(hash(Contact::Mobile, "+6513800000"), one);
        assert_eq!(
            hash(Contact::Email, " Chen@Corp.example"),
            hash(Contact::Email, "chen@corp.example")
        );
        for none in ["", "@", "chen", "a@b"] {
            assert_eq!(hash(Contact::Email, none), None, "{none}");
        }
        assert_eq!(hash(Contact::Mobile, "110"), None);
        assert_ne!(
            Contact::Mobile.hash("other", &company, "13800000000"),
            one,
            "the key counts"
        );
        let other = CompanyId::new("other").unwrap();
        assert_ne!(Contact::Mobile.hash("k", &other, "13800000000"), one, "and the company");
    }
}
