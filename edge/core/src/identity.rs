//! Who asks: a person by a token of the configured issuer ([`crate::jwt`]), or a guest by a random 128-bit id in a signed
//! cookie. The signature is an HMAC over the id, so that a made-up id opens nothing.

use crate::{failure::Failure, jwt, upstream::Context};
use hmac::{Hmac, Mac};
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{AUTHORIZATION, COOKIE, HOST},
};
use sha2::Sha256;

const COOKIE_NAME: &str = "concert_guest";
/// 400 days: the longest that browsers keep a cookie.
const COOKIE_MAX_AGE_S: u32 = 400 * 24 * 60 * 60;
/// Of guests, and of people whose token names no role.
const GUEST: &str = "guest";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// `g-` and a guest's id, or `u-` and a digest of issuer and subject. Every key in the store begins with it.
    pub id: String,
    /// What the catalogue shows to whom; guests have the role `guest`.
    pub role: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Guest,
    /// A guest who was not known before: the answer sets the cookie.
    NewGuest,
    Person,
}

/// The person of a token, the guest of a valid cookie, or a new guest. A cookie that was tampered with counts as none; a
/// token that is not accepted is refused, since whoever sends one does not want to be a guest.
pub async fn viewer(context: &Context, headers: &HeaderMap) -> Result<Viewer, Failure> {
    if let Some(token) = bearer(headers) {
        let settings = context.edge.settings.jwt.as_ref().ok_or_else(|| {
            Failure::unauthorized("invalid_token", "Tokens are not accepted here.").with_action("Ask without a token.")
        })?;
        let claims = jwt::verify(context, settings, token?).await?;
        let roles = &context.edge.catalogue.roles;
        let role = claims
            .roles
            .iter()
            .find(|role| roles.contains_key(*role))
            .or(claims.roles.first())
            .cloned()
            .unwrap_or_else(|| GUEST.to_owned());
        let digest = mac(
            &context.edge.settings.cookie_key,
            "person",
            format!("{}\n{}", settings.issuer, claims.subject).as_bytes(),
        );
        return Ok(Viewer {
            id: format!("u-{}", hex::encode(&digest[..16])),
            role,
            kind: Kind::Person,
        });
    }
    let key = &context.edge.settings.cookie_key;
    let known = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE_NAME)
        .find_map(|(_, value)| verified(key, value));
    let (id, kind) = match known {
        Some(id) => (id, Kind::Guest),
        None => (context.random_id()?, Kind::NewGuest),
    };
    Ok(Viewer {
        id: format!("g-{id}"),
        role: GUEST.to_owned(),
        kind,
    })
}

/// The token of `Authorization: Bearer`. Other schemes are not ours: a signed origin uses one.
fn bearer(headers: &HeaderMap) -> Option<Result<&str, Failure>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?;
    let bytes = value.as_bytes();
    let is_bearer = bytes.len() >= 7 && bytes[..7].eq_ignore_ascii_case(b"bearer ");
    if !is_bearer {
        return None;
    }
    let token = value.to_str().ok().map(|text| text[7..].trim());
    Some(match (token, values.next()) {
        (Some(token), None) => Ok(token),
        _ => Err(Failure::unauthorized("invalid_token", "This token is not accepted.").with_action("Sign in again.")),
    })
}

/// `Secure` is left out only on plain http to this machine, where a browser would otherwise drop the cookie.
pub fn set_cookie(context: &Context, viewer: &Viewer, uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
    let id = viewer.id.strip_prefix("g-")?;
    let signature = hex::encode(mac(&context.edge.settings.cookie_key, "guest", id.as_bytes()));
    let secure = if is_plain_loopback(uri, headers) {
        ""
    } else {
        "; Secure"
    };
    HeaderValue::from_str(&format!(
        "{COOKIE_NAME}={id}.{signature}; Path=/; Max-Age={COOKIE_MAX_AGE_S}; HttpOnly; SameSite=Lax{secure}"
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

pub fn is_plain_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
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
