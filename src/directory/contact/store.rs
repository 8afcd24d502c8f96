//! SQL of contact hashes.

use hutong_model::{CompanyId, Platform};

use super::Contact;
use crate::directory::PersonId;
use crate::store::{StoreError, Tx};

/// The installation's key, once it has one.
pub async fn key(tx: &mut Tx) -> Result<Option<String>, StoreError> {
    tx.query("SELECT value FROM setting WHERE name = 'contact_key'")
        .optional()
        .await?
        .map(|row| row.get("value"))
        .transpose()
}

pub async fn keep(
    tx: &mut Tx,
    company: &CompanyId,
    platform: Platform,
    person: &PersonId,
    kind: Contact,
    hash: &str,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO person_contact (person, platform, kind, company, hash) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (person, platform, kind) DO UPDATE SET hash = excluded.hash \
         WHERE person_contact.hash <> excluded.hash",
    )
    .bind(person.as_str())
    .bind(platform.as_str())
    .bind(kind.as_str())
    .bind(company)
    .bind(hash)
    .execute()
    .await
    .map(|_| ())
}

pub async fn people_with(
    tx: &mut Tx,
    company: &CompanyId,
    kind: Contact,
    hash: &str,
) -> Result<Vec<PersonId>, StoreError> {
    let rows = tx
        .query(
            "SELECT DISTINCT person FROM person_contact WHERE company = $1 AND kind = $2 AND hash = $3 ORDER BY person",
        )
        .bind(company)
        .bind(kind.as_str())
        .bind(hash)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let id: String = row.get("person")?;
            PersonId::parse(&id).ok_or_else(|| StoreError::Broken("person is not a person id".to_owned()))
        })
        .collect()
}
