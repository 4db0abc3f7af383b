//! The request that is asked about.

use crate::request::Conn;
use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use std::net::{Ipv4Addr, SocketAddr};

/// A request that nobody sent.
#[derive(Debug)]
pub struct Question {
    request: Request<()>,
    conn: Conn,
    asked: String,
}

/// Why something cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionError {
    /// The line of a cookie file is no `name=value`; its number, from 1.
    CookieLine(usize),
    /// The line of a header file is no `Name: value`; its number, from 1.
    HeaderLine(usize),
    /// The method is no token.
    Method,
    /// The URL is none with `http://` or `https://` and a host.
    Url,
}

impl Question {
    /// A request with `method` for `url`, with the lines of a cookie file and of a header file. It comes from this machine.
    ///
    /// # Errors
    /// [`QuestionError`] if it could not even be sent.
    pub fn new(
        method: &str,
        url: &str,
        cookies: Option<&str>,
        headers: Option<&str>,
    ) -> Result<Self, QuestionError> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| QuestionError::Method)?;
        let uri: Uri = url.parse().map_err(|_| QuestionError::Url)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(QuestionError::Url),
        };
        let authority = uri.authority().ok_or(QuestionError::Url)?.as_str();
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        // Only the target is repeated with its query left out: a query may hold a credential.
        let asked = format!("{method} {}://{authority}{}", if tls { "https" } else { "http" }, uri.path());
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().map_err(|_| QuestionError::Url)?;
        let host = HeaderValue::from_str(authority).map_err(|_| QuestionError::Url)?;
        request.headers_mut().insert(HOST, host);
        header_lines(headers.unwrap_or_default(), request.headers_mut())?;
        let cookies = cookie_line(cookies.unwrap_or_default())?;
        if !cookies.is_empty() {
            let line = HeaderValue::from_str(&cookies).map_err(|_| QuestionError::CookieLine(1))?;
            request.headers_mut().append(COOKIE, line);
        }
        let this_machine = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let conn = Conn::new(this_machine, this_machine, tls);
        Ok(Self { request, conn, asked })
    }

    /// Method and URL, without the query.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    pub(super) fn into_request(self) -> (Request<()>, Conn) {
        (self.request, self.conn)
    }
}

/// One Cookie header from a file: the header itself, with or without its name, or a cookie a line.
fn cookie_line(text: &str) -> Result<String, QuestionError> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let mut cookies: Vec<&str> = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let bare = match line.split_at_checked(7) {
            Some((name, rest)) if name.eq_ignore_ascii_case("cookie:") => rest.trim(),
            Some(_) | None => line,
        };
        if !bare.contains('=') {
            return Err(QuestionError::CookieLine(number));
        }
        cookies.push(bare.trim_end_matches(';'));
    }
    Ok(cookies.join("; "))
}

fn header_lines(text: &str, headers: &mut HeaderMap) -> Result<(), QuestionError> {
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = QuestionError::HeaderLine(at + 1);
        let (name, value) = line.split_once(':').ok_or(wrong)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong)?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong)?;
        if name == HOST {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
    Ok(())
}

impl std::fmt::Display for QuestionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CookieLine(line) => {
                write!(f, "line {line} of the cookie file is neither a Cookie header nor `name=value`")
            }
            Self::HeaderLine(line) => write!(f, "line {line} of the header file is no `Name: value`"),
            Self::Method => f.write_str("the method is none; write it as GET or POST"),
            Self::Url => f.write_str("the URL is none; write it as https://shop.example.com/api/orders"),
        }
    }
}

impl std::error::Error for QuestionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_sent_is_not_asked() {
        let ask = |method, url, cookies, headers| Question::new(method, url, cookies, headers).err();
        assert_eq!(ask("G T", "http://a/", None, None), Some(QuestionError::Method));
        for url in ["", "/api", "a.test/x", "ftp://a/", "http://", "http://a b/"] {
            assert_eq!(ask("GET", url, None, None), Some(QuestionError::Url), "{url}");
        }
        assert_eq!(ask("GET", "http://a/", Some("\nnonsense"), None), Some(QuestionError::CookieLine(2)));
        assert_eq!(ask("GET", "http://a/", None, Some("x")), Some(QuestionError::HeaderLine(1)));
    }

    #[test]
    fn a_cookie_file_is_a_header_or_a_cookie_a_line() {
        for text in ["a=1; b=2", "Cookie: a=1; b=2;\n", "a=1\r\nb=2\r\n", "\ncookie:a=1\n\nb=2"] {
            assert_eq!(cookie_line(text).as_deref(), Ok("a=1; b=2"), "{text:?}");
        }
    }

    #[test]
    fn a_query_is_asked_about_and_not_repeated() {
        let question = Question::new("GET", "https://a.test/x?token=secret", None, None).unwrap();
        assert_eq!(question.asked(), "GET https://a.test/x");
        assert_eq!(question.into_request().0.uri(), "/x?token=secret");
    }
}
