//! Which host a request names, and which page has made it.

use std::net::Ipv6Addr;

use axum::http::request::Parts;
use axum::http::{HeaderValue, Version, header};

use crate::http::error::{ApiError, Code, Result};
use crate::http::middleware::cors;

/// A host and its port, as a request's target or a page's origin names them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host<'a> {
    /// With its brackets, where it is an address of IPv6.
    name: &'a str,
    port: Option<u16>,
}

impl<'a> Host<'a> {
    /// The host that a request is meant for; `None` in HTTP/1.0, which need not name one. Two that differ, one that
    /// cannot be read, and none in HTTP/1.1 are refused: what stands before the server may have read another one.
    pub(super) fn of(request: &'a Parts) -> Result<Option<Self>> {
        let refused = |detail: &str| Err(ApiError::of(Code::HostNotReadable).detail(detail));
        let mut named = request.headers.get_all(header::HOST).iter();
        let (first, second) = (named.next(), named.next());
        if second.is_some() {
            return refused("The request has two Host headers.");
        }
        let first = match first.map(HeaderValue::to_str) {
            Some(Ok(host)) => Some(host),
            Some(Err(_)) => return refused("The Host header is no ASCII text."),
            None if request.version == Version::HTTP_11 => return refused("The request has no Host header."),
            None if request.version > Version::HTTP_11 && request.uri.host().is_none() => {
                return refused("The request names no host.");
            }
            None => None,
        };
        // HTTP/2 has it here, and so have requests that were meant for a proxy.
        let target = request.uri.authority().map(axum::http::uri::Authority::as_str);
        if let (Some(host), Some(target)) = (first, target)
            && !host.eq_ignore_ascii_case(target)
        {
            return refused("The Host header and the request's target name different hosts.");
        }
        match target.or(first).map(Self::parse) {
            Some(None) => refused("The request names no host: a name or an address, and perhaps a port, are expected."),
            host => Ok(host.flatten()),
        }
    }

    fn parse(text: &'a str) -> Option<Self> {
        let (name, rest) = if let Some(inside) = text.strip_prefix('[') {
            let end = inside.find(']')?;
            inside[..end].parse::<Ipv6Addr>().ok()?;
            text.split_at(end + 2)
        } else {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (!name.is_empty() && name.bytes().all(plain)).then_some((name, rest))?
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Self { name, port })
    }

    /// Whether it is this machine's own name for itself.
    pub(super) fn is_local(&self) -> bool {
        self.name.eq_ignore_ascii_case("localhost") || matches!(self.name, "127.0.0.1" | "[::1]")
    }

    /// Whether a page of this host has this origin. Its scheme may be another one: a proxy that speaks TLS to browsers
    /// speaks none to the server, and passes the host on. A port that is not named is the scheme's.
    fn has_origin(&self, origin: &str) -> bool {
        let (page, usual) = match origin.split_once("://") {
            Some(("https", page)) => (page, 443),
            Some(("http", page)) => (page, 80),
            _ => return false,
        };
        let port = |host: &Host<'_>| host.port.unwrap_or(usual);
        Host::parse(page).is_some_and(|page| page.name.eq_ignore_ascii_case(self.name) && port(&page) == port(self))
    }
}

/// Whether a page of another site has made a request that it may not make: its origin is neither the request's own host
/// nor allowed, or the browser says that it comes from elsewhere. Programs say nothing of either.
pub(super) fn is_foreign_page(request: &Parts, host: Option<Host<'_>>, allowed: &[String]) -> bool {
    let mut origins = request.headers.get_all(header::ORIGIN).iter();
    let foreign = match (origins.next(), origins.next()) {
        (None, _) => false,
        (Some(origin), None) => !origin.to_str().is_ok_and(|origin| host.is_some_and(|host| host.has_origin(origin))),
        _ => return true,
    };
    let site = request.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let elsewhere = matches!(site, Some(b"cross-site" | b"same-site"));
    (foreign || elsewhere) && !cors::allows(allowed, &request.headers)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(version: Version, target: &str, headers: &[(&'static str, &[u8])]) -> Parts {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// Whether a request with this Host counts as one to this machine; `None` where it is refused.
    fn local(host: &[u8]) -> Option<bool> {
        let request = parts(Version::HTTP_11, "/", &[("host", host)]);
        Host::of(&request).ok().map(|host| host.unwrap().is_local())
    }

    #[test]
    fn only_this_machines_own_names_are_local_and_odd_ones_are_none() {
        for host in ["localhost", "LOCALHOST", "LocalHost:8080", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8080"] {
            assert_eq!(local(host.as_bytes()), Some(true), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "localhost.", "127.0.0.2", "2130706433", "[::2]:80"] {
            assert_eq!(local(host.as_bytes()), Some(false), "{host}");
        }
        for host in
            ["", ":80", "localhost:", "localhost:80:80", "localhost:+80", "localhost:99999", "::1", "[localhost]"]
        {
            assert_eq!(local(host.as_bytes()), None, "{host}");
        }
        for host in [&b"localhost\xff"[..], b"\xe6\x97\xa5", b"user@localhost", b"localhost/", b"local host", b"[::1"] {
            assert_eq!(local(host), None, "{host:?}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let of = |version, target: &str, hosts: &[&'static str]| {
            let headers: Vec<(&'static str, &[u8])> = hosts.iter().map(|host| ("host", host.as_bytes())).collect();
            let request = parts(version, target, &headers);
            Host::of(&request).ok().map(|host| host.map(|host| host.name.to_owned()))
        };
        let named = |name: &str| Some(Some(name.to_owned()));
        assert_eq!(of(Version::HTTP_11, "/", &["a.example"]), named("a.example"));
        assert_eq!(of(Version::HTTP_11, "/", &[]), None);
        assert_eq!(of(Version::HTTP_11, "/", &["a.example", "a.example"]), None);
        assert_eq!(of(Version::HTTP_10, "/", &[]), Some(None));
        assert_eq!(of(Version::HTTP_2, "http://a.example/", &[]), named("a.example"));
        assert_eq!(of(Version::HTTP_2, "http://a.example/", &["A.example"]), named("a.example"));
        assert_eq!(of(Version::HTTP_2, "/", &[]), None);
        assert_eq!(of(Version::HTTP_2, "http://evil.example/", &["localhost"]), None);
        assert_eq!(of(Version::HTTP_11, "http://evil.example/", &["localhost"]), None);
    }

    #[test]
    fn a_page_of_another_origin_is_foreign_whatever_else_the_browser_says() {
        let foreign = |host: &'static str, headers: &[(&'static str, &'static str)], allowed: &[&str]| {
            let headers: Vec<(&'static str, &[u8])> =
                [("host", host)].iter().chain(headers).map(|(name, value)| (*name, value.as_bytes())).collect();
            let request = parts(Version::HTTP_11, "/", &headers);
            let allowed: Vec<String> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
            is_foreign_page(&request, Host::of(&request).unwrap(), &allowed)
        };
        for (host, origin) in [
            ("localhost:8080", "http://localhost:8080"),
            ("app.example", "https://app.example"),
            ("app.example:443", "https://app.example"),
            ("APP.example:8443", "https://app.example:8443"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert!(!foreign(host, &[("origin", origin)], &[]), "{host} {origin}");
        }
        for (host, origin) in [
            ("localhost:8080", "https://evil.example"),
            ("localhost:8080", "null"),
            ("localhost:8080", ""),
            ("localhost:8080", "http://localhost:3000"),
            ("localhost:8080", "http://localhost"),
            ("localhost:8080", "file://"),
            ("app.example", "https://evil.app.example"),
            ("app.example", "https://app.example@evil.example"),
        ] {
            for site in [&[][..], &[("sec-fetch-site", "none")], &[("sec-fetch-site", "same-origin")]] {
                assert!(foreign(host, &[&[("origin", origin)], site].concat(), &[]), "{host} {origin} {site:?}");
            }
            assert!(!foreign(host, &[("origin", origin)], &["*"]), "{host} {origin}");
        }
        assert!(!foreign("localhost", &[], &[]), "a program");
        assert!(foreign("localhost", &[("sec-fetch-site", "cross-site")], &[]));
        assert!(foreign("localhost", &[("origin", "http://localhost"), ("sec-fetch-site", "same-site")], &[]));
        let named = ["https://app.example"];
        assert!(!foreign("localhost", &[("origin", named[0]), ("sec-fetch-site", "cross-site")], &named));
        assert!(foreign("localhost", &[("origin", named[0]), ("origin", named[0])], &named), "two origins");
    }
}
