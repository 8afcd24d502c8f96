//! Fetching what people sent: files of the app by their media id, files of an AI bot by their address.
//!
//! An app's media id works for three days (document 90253). An AI bot's address works for five
//! minutes and gives the whole file encrypted with the key of the callback (document 100719), or, on
//! the long connection, with a key of its own (document 101463), which then stands behind the address
//! as `#aeskey=KEY`.

use hutong_model::{Attachment, AttachmentKind, CallError};
use url::{Host, Url};

use crate::api::{Client, read_error};
use crate::config::{Door, is_loopback};
use crate::verify::open_media_with;

/// What stands before the media id in a handle of the app, see [`crate::normalise`].
pub const MEDIA: &str = "media:";
/// What stands before the key of one file.
pub const OWN_KEY: &str = "aeskey=";
/// Encryption makes a file at most this much longer.
const PAD: usize = 32;
/// Where the platform keeps the files of AI bots (documents 100719, 101463: the addresses in the samples).
const STORES: [&str; 3] = [".myqcloud.com", ".weixin.qq.com", ".qpic.cn"];

/// The handle of an AI bot's file. A fragment never leaves this program.
pub fn handle(url: &str, own_key: Option<&str>) -> String {
    match own_key {
        Some(key) if !key.is_empty() => format!("{url}#{OWN_KEY}{key}"),
        _ => url.to_owned(),
    }
}

/// The bytes of an attachment.
pub async fn download(
    client: &Client,
    door: &Door,
    base: &Url,
    attachment: &Attachment,
    limit: usize,
) -> Result<Vec<u8>, CallError> {
    if matches!(attachment.kind, AttachmentKind::Location | AttachmentKind::Forwarded) {
        return Err(CallError::NotPossible("downloading what is no file"));
    }
    match door {
        Door::App(_) => {
            let id = attachment
                .handle
                .strip_prefix(MEDIA)
                .ok_or(CallError::NotPossible("downloading what is no file"))?;
            client.media(id, limit).await.map_err(read_error)
        }
        Door::Aibot(bot) => {
            let refused = |text: &str| CallError::Rejected {
                code: "address".into(),
                text: text.into(),
            };
            let mut url = Url::parse(&attachment.handle)
                .ok()
                .filter(|url| may_fetch(url, base))
                .ok_or_else(|| refused("不是企业微信存放文件的地址 / not an address where the platform keeps files"))?;
            let own = url.fragment().and_then(|f| f.strip_prefix(OWN_KEY)).map(str::to_owned);
            url.set_fragment(None);
            let sealed = client.fetch(url, limit.saturating_add(PAD)).await.map_err(read_error)?;
            let opened = match own {
                Some(key) => open_media_with(&decoded(&key), &sealed),
                None => bot.keys().and_then(|keys| keys.open_media(&sealed)),
            };
            let bytes =
                opened.ok_or_else(|| refused("文件解不开，密钥不对或文件不完整 / the file does not decrypt"))?;
            if bytes.len() > limit {
                return Err(refused("文件太大 / the file is too large"));
            }
            Ok(bytes)
        }
        Door::Webhook(_) => Err(CallError::NotPossible("downloading")),
    }
}

/// `+` and `/` of a key may stand percent-encoded behind the address.
fn decoded(key: &str) -> String {
    key.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
}

/// True for an address that a file may be fetched from. The callback that brought it is signed; this
/// keeps even a forged one from reaching into the company's network.
fn may_fetch(url: &Url, base: &Url) -> bool {
    if !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    if is_loopback(base) {
        return url.origin() == base.origin();
    }
    let stored = match url.host() {
        Some(Host::Domain(name)) => STORES.iter().any(|end| name.ends_with(end)),
        _ => false,
    };
    url.scheme() == "https" && url.port().is_none() && stored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_fetched_from_the_platforms_storage_only() {
        let real = Url::parse(crate::config::BASE_URL).unwrap();
        let sim = Url::parse("http://127.0.0.1:4000").unwrap();
        let ok = |text: &str, base: &Url| Url::parse(text).is_ok_and(|url| may_fetch(&url, base));
        assert!(ok(
            "https://ww-aibot-img-1258476243.cos.ap-guangzhou.myqcloud.com/O?q-sign-algorithm=sha1",
            &real
        ));
        assert!(ok("http://127.0.0.1:4000/file/1", &sim));
        for bad in [
            "http://ww-aibot-img-1258476243.cos.ap-guangzhou.myqcloud.com/O",
            "https://evilmyqcloud.com/O",
            "https://x.myqcloud.com:8443/O",
            "https://a:b@x.myqcloud.com/O",
            "https://169.254.169.254/latest",
            "https://x.myqcloud.com.evil.example/O",
            "file:///etc/passwd",
            "http://127.0.0.1:4000/file/1",
        ] {
            assert!(!ok(bad, &real), "{bad}");
        }
        assert!(!ok("http://127.0.0.1:4001/file/1", &sim));
        assert!(
            !ok("https://x.myqcloud.com/O", &sim),
            "a simulator's app stays on this machine"
        );
    }
}
