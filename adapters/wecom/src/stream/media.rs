//! Files that people send to an AI bot (documents 100719, 101463): a URL that works for five minutes,
//! whose body is encrypted with the bot's EncodingAESKey or, on the long connection, with a key of
//! its own that stands beside the URL.

use std::time::Duration;

use hutong_model::{Attachment, CallError};
use url::Url;

use crate::config::{is_loopback, is_platform};
use crate::verify::{Keys, open_media_with};

/// The platform's object storage, as the documented URLs have it.
const STORAGE: &str = ".myqcloud.com";
/// Joins a URL and its key in [`Attachment::handle`]. A fragment never leaves this program.
const KEY: &str = "#aeskey=";

/// The handle of an attachment.
pub fn handle(url: &str, aes_key: Option<&str>) -> String {
    match aes_key {
        Some(key) if !key.is_empty() => format!("{url}{KEY}{key}"),
        _ => url.to_owned(),
    }
}

/// Takes a handle apart.
pub fn split(handle: &str) -> (&str, Option<&str>) {
    match handle.split_once(KEY) {
        Some((url, key)) => (url, Some(key)),
        None => (handle, None),
    }
}

/// True for an address that a file may be fetched from: the platform, its storage, or the simulator
/// that the app is configured for.
pub fn may_fetch(url: &Url, base: &Url) -> bool {
    let bare = url.username().is_empty() && url.password().is_none();
    let storage =
        url.scheme() == "https" && url.port().is_none() && url.host_str().is_some_and(|host| host.ends_with(STORAGE));
    bare && (storage || is_platform(url) || (is_loopback(base) && url.origin() == base.origin()))
}

/// Fetches and opens a file of at most `limit` bytes. `keys` are those of the callback, for URLs
/// without a key of their own.
pub async fn download(
    base: &Url,
    keys: Option<&Keys>,
    attachment: &Attachment,
    limit: usize,
) -> Result<Vec<u8>, CallError> {
    let refuse = |code: &str, text: &str| CallError::Rejected {
        code: code.to_owned(),
        text: text.to_owned(),
    };
    let (url, key) = split(&attachment.handle);
    let url = Url::parse(url).ok().filter(|url| may_fetch(url, base)).ok_or_else(|| {
        refuse(
            "address",
            "文件地址不是企业微信的 / the file's address is not one of the platform's",
        )
    })?;
    let sealed = fetch(url, is_loopback(base), limit.saturating_add(32)).await?;
    let opened = match (key, keys) {
        (Some(key), _) => open_media_with(key, &sealed),
        (None, Some(keys)) => keys.open_media(&sealed),
        (None, None) => None,
    };
    match opened {
        Some(bytes) if bytes.len() <= limit => Ok(bytes),
        Some(_) => Err(too_large()),
        None => Err(refuse("decrypt", "文件无法解密 / the file does not decrypt")),
    }
}

fn too_large() -> CallError {
    CallError::Rejected {
        code: "too_large".into(),
        text: "文件太大 / the file is too large".into(),
    }
}

async fn fetch(url: Url, loopback: bool, limit: usize) -> Result<Vec<u8>, CallError> {
    // The address carries a secret in its query: it must not stand in a text.
    let failed = |e: reqwest::Error| CallError::Unavailable(e.without_url().to_string());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut http = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(15))
        .redirect(reqwest::redirect::Policy::none());
    if loopback {
        http = http.no_proxy();
    }
    let mut answer = http.build().map_err(failed)?.get(url).send().await.map_err(failed)?;
    match answer.status().as_u16() {
        200 => {}
        status @ 500.. => return Err(CallError::Unavailable(format!("http {status}"))),
        status => {
            return Err(CallError::Rejected {
                code: format!("http_{status}"),
                text: "文件地址已失效（5 分钟内有效）/ the file's address has expired (it works for 5 minutes)".into(),
            });
        }
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_comes_apart_again() {
        let url = "https://x.myqcloud.com/o?q=1";
        assert_eq!(split(&handle(url, Some("k+/="))), (url, Some("k+/=")));
        assert_eq!(split(&handle(url, None)), (url, None));
        assert_eq!(handle(url, Some("")), url);
    }

    #[test]
    fn only_the_platform_and_its_storage_are_fetched_from() {
        let real = Url::parse("https://qyapi.weixin.qq.com").unwrap();
        let sim = Url::parse("http://127.0.0.1:4000").unwrap();
        let ok = |text: &str, base: &Url| Url::parse(text).is_ok_and(|url| may_fetch(&url, base));
        assert!(ok("https://ww-aibot-img-1.cos.ap-guangzhou.myqcloud.com/o?q=1", &real));
        assert!(ok("http://127.0.0.1:4000/media/1", &sim));
        for bad in [
            "http://ww-aibot-img-1.cos.ap-guangzhou.myqcloud.com/o",
            "https://evilmyqcloud.com/o",
            "https://a@x.myqcloud.com/o",
            "https://x.myqcloud.com.evil.example/o",
            "http://127.0.0.1:4000/o",
            "https://169.254.169.254/o",
        ] {
            assert!(!ok(bad, &real), "{bad}");
        }
    }
}
