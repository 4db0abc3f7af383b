//! Commands that ask a running gateway.

use crate::cli::printer::Printer;
use crate::cli::{ConfigFile, Outcome};
use crate::config::{At, WebAddress};
use crate::listen::spawn_worker;
use crate::web::Web;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::Value;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Which gateway is asked, and who asks.
#[derive(Debug, clap::Args)]
pub(super) struct Live {
    #[command(flatten)]
    file: ConfigFile,
    /// The admin listener of the gateway, as `http://127.0.0.1:9901`. Default: that of the configuration.
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// The file with a token of `[admin.tokens]`. Default: the first token of the configuration that can be read here.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Machine-readable output.
    #[arg(long)]
    pub(super) json: bool,
}

impl Live {
    /// Calls the gateway, and hands what it says to `print`.
    pub(super) fn call(
        &self,
        printer: &Printer,
        (method, path, body): (Method, &str, Option<Value>),
        print: impl FnOnce(&Value),
    ) -> Outcome {
        let (url, token) = match self.whom() {
            Ok(found) => found,
            Err(why) => {
                printer.note(why);
                return Outcome::BadInput;
            }
        };
        match ask(&format!("{url}{path}"), &token, method, body) {
            Ok(answer) => {
                if self.json {
                    printer.json(&answer);
                } else {
                    print(&answer);
                }
                Outcome::Fine
            }
            Err((outcome, why)) => {
                printer.note(why);
                outcome
            }
        }
    }

    /// The gateway's address, without a slash at its end, and the token.
    fn whom(&self) -> Result<(String, Zeroizing<String>), String> {
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).map(Zeroizing::new);
            text.map_err(|error| format!("cannot read `{}`: {error}", path.display()))
        };
        let shown = self.token_file.as_ref().map(read).transpose()?;
        let shown = shown.map(|text| Zeroizing::new(text.trim().to_owned()));
        if let (Some(url), Some(token)) = (&self.admin, &shown) {
            return Ok((url.trim_end_matches('/').to_owned(), token.clone()));
        }
        let hint = "; give `--admin URL` and `--token-file FILE`";
        let (config, _) = crate::config::load(&self.file.config).map_err(|(errors, _)| {
            let path = self.file.config.display();
            format!("`{path}` cannot be used here, it has {} mistakes{hint}", errors.len())
        })?;
        let admin = config.admin.ok_or_else(|| format!("the configuration has no [admin]{hint}"))?;
        let url = self.admin.clone().unwrap_or_else(|| format!("http://{}", reachable(admin.listen)));
        let own = || {
            let first = admin.tokens.first()?;
            std::str::from_utf8(first.token.expose()).ok().map(|text| Zeroizing::new(text.to_owned()))
        };
        let token = shown.or_else(own).ok_or_else(|| format!("[admin.tokens] is empty{hint}"))?;
        Ok((url.trim_end_matches('/').to_owned(), token))
    }
}

/// All interfaces are reached over loopback.
fn reachable(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn ask(url: &str, token: &str, method: Method, body: Option<Value>) -> Result<Value, (Outcome, String)> {
    let bad = |why: String| (Outcome::BadInput, why);
    let failed = |why: String| (Outcome::CouldNot, why);
    let nowhere = At { file: 0, start: 0, end: 0 };
    let address = WebAddress::parse(url, nowhere, None)
        .ok_or_else(|| bad(format!("`{url}` is no URL with http:// or https:// and a host")))?;
    let web = Web::new(&address, "admin").map_err(|error| bad(format!("{}: {}", error.key, error.found)))?;
    let mut shown = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| bad("the token has characters that cannot be sent".to_owned()))?;
    shown.set_sensitive(true);
    let request = Request::builder()
        .method(method)
        .uri(&address.target)
        .header(AUTHORIZATION, shown)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.map(|body| body.to_string()).unwrap_or_default())))
        .map_err(|_| bad(format!("`{url}` cannot be called")))?;
    let worker = spawn_worker("live", move || async move {
        web.send(request, ANSWER_BYTES_MAX).await.map_err(|error| crate::telemetry::chain(&error))
    });
    let worker = worker.map_err(|error| failed(format!("the system gave no thread: {error}")))?;
    let answered = worker.join().unwrap_or_else(|_| Err("the call panicked".to_owned()));
    let response =
        answered.map_err(|error| failed(format!("the gateway at {url} cannot be asked: {error}")))?;
    let status = response.status();
    let value: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    if status.is_success() {
        return Ok(value);
    }
    let detail = value.get("detail").and_then(Value::as_str).unwrap_or("it does not say why");
    Err(failed(format!("the gateway answered {}: {detail}", status.as_u16())))
}
