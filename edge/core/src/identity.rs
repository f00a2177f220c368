//! Who asks: for now a guest, a random 128-bit id in a signed cookie. The signature is an HMAC over the id, so that a
//! made-up id opens nothing.

use crate::{failure::Failure, upstream::Context};
use hmac::{Hmac, Mac};
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{COOKIE, HOST},
};
use sha2::Sha256;

const COOKIE_NAME: &str = "concert_guest";
/// 400 days: the longest that browsers keep a cookie.
const COOKIE_MAX_AGE_S: u32 = 400 * 24 * 60 * 60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    pub id: String,
    /// What the catalogue shows to whom; guests have the role `guest`.
    pub role: &'static str,
    /// Not known before: the answer sets the cookie.
    pub is_new: bool,
}

/// The guest of a valid cookie, or a new one. A cookie that was tampered with counts as none.
pub fn viewer(context: &Context, headers: &HeaderMap) -> Result<Viewer, Failure> {
    let key = &context.edge.settings.cookie_key;
    let known = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE_NAME)
        .find_map(|(_, value)| verified(key, value));
    match known {
        Some(id) => Ok(Viewer {
            id,
            role: "guest",
            is_new: false,
        }),
        None => Ok(Viewer {
            id: context.random_id()?,
            role: "guest",
            is_new: true,
        }),
    }
}

/// `Secure` is left out only on plain http to this machine, where a browser would otherwise drop the cookie.
pub fn set_cookie(context: &Context, viewer: &Viewer, uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
    let signature = hex::encode(mac(&context.edge.settings.cookie_key, "guest", viewer.id.as_bytes()));
    let secure = if is_plain_loopback(uri, headers) {
        ""
    } else {
        "; Secure"
    };
    HeaderValue::from_str(&format!(
        "{COOKIE_NAME}={}.{signature}; Path=/; Max-Age={COOKIE_MAX_AGE_S}; HttpOnly; SameSite=Lax{secure}",
        viewer.id
    ))
    .ok()
}

fn verified(key: &[u8], value: &str) -> Option<String> {
    let (id, signature) = value.split_once('.')?;
    let is_id = id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (is_id && is_signed(key, "guest", id.as_bytes(), &hex::decode(signature).ok()?)).then(|| id.to_owned())
}

/// HMAC-SHA256 under a label, so that a signature made for one purpose is worth nothing for another.
pub fn mac(key: &[u8], label: &str, message: &[u8]) -> Vec<u8> {
    hasher(key, label, message)
        .map(|mac| mac.finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

/// Compares in constant time.
pub fn is_signed(key: &[u8], label: &str, message: &[u8], signature: &[u8]) -> bool {
    hasher(key, label, message).is_some_and(|mac| mac.verify_slice(signature).is_ok())
}

/// HMAC takes keys of every length, so there always is one.
fn hasher(key: &[u8], label: &str, message: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(label.as_bytes());
    mac.update(&[0]);
    mac.update(message);
    Some(mac)
}

fn is_plain_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    if uri.scheme_str() == Some("https") {
        return false;
    }
    let host = uri.host().map(str::to_owned).or_else(|| {
        let authority: http::uri::Authority = headers.get(HOST)?.to_str().ok()?.parse().ok()?;
        Some(authority.host().to_owned())
    });
    host.is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host == "::1" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_key_signed_for_this_purpose_is_taken() {
        let id = "00112233445566778899aabbccddeeff";
        let signed = format!("{id}.{}", hex::encode(mac(b"key", "guest", id.as_bytes())));
        assert_eq!(verified(b"key", &signed).as_deref(), Some(id));
        assert_eq!(verified(b"other key", &signed), None);
        assert_eq!(verified(b"key", &signed.replacen('0', "1", 1)), None);
        assert_eq!(
            verified(
                b"key",
                &format!("{id}.{}", hex::encode(mac(b"key", "cursor", id.as_bytes())))
            ),
            None
        );
        for wrong in [
            "",
            ".",
            id,
            "x.y",
            &format!("{id}."),
            &signed[..signed.len() - 2],
            &signed.to_uppercase(),
        ] {
            assert_eq!(verified(b"key", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn secure_is_left_out_on_this_machine_only() {
        let with_host = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            headers
        };
        for (uri, host, plain) in [
            ("/api/catalogue", "127.0.0.1:8080", true),
            ("/api/catalogue", "localhost:8080", true),
            ("/api/catalogue", "[::1]:8080", true),
            ("http://127.0.0.1:8787/api", "example.com", true),
            ("https://127.0.0.1/api", "127.0.0.1", false),
            ("http://example.com/api", "example.com", false),
            ("/api/catalogue", "localhost.example.com", false),
            ("/api/catalogue", "127.0.0.1.example.com", false),
        ] {
            assert_eq!(
                is_plain_loopback(&uri.parse().unwrap(), &with_host(host)),
                plain,
                "{uri} {host}"
            );
        }
    }
}
