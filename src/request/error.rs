//! What a client can do wrong before anything is decided about it.

/// Why a request is refused as a message. Every one is the client's doing. Made by the head guard (from raw bytes) and by
/// [`super::Inbound::parse`] (from the parsed head); `respond` gives each its status and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// A chunk line, chunk end or trailer section breaks RFC 9112 §7.1.
    BadChunk,
    /// Content-Length is not one plain decimal number (RFC 9112 §6.3).
    BadContentLength,
    /// A cookie line or field value with a byte that must not be there.
    BadField,
    /// Host is not one valid authority (RFC 9112 §3.2).
    BadHost,
    /// The request line is not method, target and version with single spaces between.
    BadRequestLine,
    /// The request target is in no form that this method may have (RFC 9112 §3.2).
    BadTarget,
    /// Transfer-Encoding is not exactly `chunked`, once (RFC 9112 §6.1).
    BadTransferEncoding,
    /// A WebSocket handshake that breaks RFC 6455 §4.1.
    BadUpgrade,
    /// A line ends in a bare LF, or holds a bare CR.
    BareLineEnd,
    /// The body ended before its declared length.
    BodyIncomplete,
    /// The body stood still for longer than `body_timeout`.
    BodyTimedOut,
    /// The body is longer than the limit.
    BodyTooLarge,
    /// Transfer-Encoding in an HTTP/1.0 message.
    EncodingInHttp10,
    /// The head took longer than `header_timeout`.
    HeadTimedOut,
    /// The head is longer than `header_bytes`.
    HeadTooLarge,
    /// Host is missing from an HTTP/1.1 request.
    HostMissing,
    /// Host comes twice.
    HostRepeated,
    /// Content-Length and Transfer-Encoding in one message.
    LengthAndEncoding,
    /// CONNECT, TRACE or a method that is no token.
    MethodRefused,
    /// A dot segment, raw or encoded.
    PathDotSegment,
    /// `//`, where the route does not allow it.
    PathEmptySegment,
    /// An encoding or character that the route does not allow; the text is the `allow_in_path` entry that would.
    PathNeedsAllowance(&'static str),
    /// A control character, a backslash, a byte outside ASCII or a broken percent triplet, raw or encoded.
    PathUnsafe,
    /// Host and the authority of an absolute-form target differ.
    TargetHostMismatch,
    /// More header fields than `headers`.
    TooManyHeaders,
    /// An expectation other than `100-continue`.
    UnknownExpectation,
    /// A version other than HTTP/1.0, HTTP/1.1 and HTTP/2.
    UnsupportedVersion,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BadChunk => "chunked framing is broken",
            Self::BadContentLength => "content-length is not one plain number",
            Self::BadField => "a header field is malformed",
            Self::BadHost => "host is not one valid authority",
            Self::BadRequestLine => "the request line is malformed",
            Self::BadTarget => "the request target has no valid form",
            Self::BadTransferEncoding => "transfer-encoding is not exactly `chunked`",
            Self::BadUpgrade => "the websocket handshake is malformed",
            Self::BareLineEnd => "a line does not end in CRLF",
            Self::BodyIncomplete => "the body ended early",
            Self::BodyTimedOut => "the body stood still for too long",
            Self::BodyTooLarge => "the body is too large",
            Self::EncodingInHttp10 => "transfer-encoding in HTTP/1.0",
            Self::HeadTimedOut => "the head took too long",
            Self::HeadTooLarge => "the head is too large",
            Self::HostMissing => "host is missing",
            Self::HostRepeated => "host comes twice",
            Self::LengthAndEncoding => "content-length and transfer-encoding together",
            Self::MethodRefused => "the method is not served here",
            Self::PathDotSegment => "a dot segment in the path",
            Self::PathEmptySegment => "an empty segment in the path",
            Self::PathNeedsAllowance(entry) => return write!(f, "`{entry}` in the path"),
            Self::PathUnsafe => "an unsafe byte in the path",
            Self::TargetHostMismatch => "host and target disagree",
            Self::TooManyHeaders => "too many header fields",
            Self::UnknownExpectation => "an unknown expectation",
            Self::UnsupportedVersion => "the HTTP version is not served here",
        })
    }
}

impl std::error::Error for ParseError {}
