//! The calls that the protocol makes, over exchanges like all others of ours.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

use crate::config::{At, WebAddress};
use crate::web::{FetchError, Web};

/// A chain of certificates is some 6 KB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Authorities sign while we wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the protocol hands its calls to. It wants to be sent between threads, which our exchanges are not, so they are made where
/// [`Exchanges::run`] runs.
pub(super) struct Caller(mpsc::Sender<Call>);

struct Call {
    request: Request<Full<Bytes>>,
    answer: oneshot::Sender<Result<Response<Bytes>, Error>>,
}

/// Makes the calls of one order.
pub(super) struct Exchanges {
    calls: mpsc::Receiver<Call>,
    at: At,
    ca: Option<Vec<u8>>,
}

/// A caller, and who makes its calls to the authority behind `directory`.
pub(super) fn exchanges(directory: &WebAddress) -> (Caller, Exchanges) {
    let (sender, calls) = mpsc::channel(1);
    (Caller(sender), Exchanges { calls, at: directory.at, ca: directory.ca.clone() })
}

impl Exchanges {
    /// Until the caller is gone.
    pub(super) async fn run(mut self) {
        while let Some(Call { request, answer }) = self.calls.recv().await {
            // Who asked may have given up.
            let _ = answer.send(self.exchange(request).await);
        }
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Error> {
        let url = request.uri().to_string();
        let address = WebAddress::parse(&url, self.at, self.ca.clone()).filter(|address| address.tls);
        let address = address.ok_or(Error::Str("the authority leads to a URL that is not https://"))?;
        let web =
            Web::new(&address, "server.acme.directory").map_err(|error| Error::Other(error.found.into()))?;
        *request.uri_mut() = address.target.parse()?;
        let sent = web.with_patience(PATIENCE).send(request, ANSWER_BYTES_MAX).await;
        sent.map_err(|error: FetchError| Error::Other(Box::new(error)))
    }
}

impl HttpClient for Caller {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let calls = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let (answer, answered) = oneshot::channel();
            let call = Call { request: Request::from_parts(head, Full::new(body)), answer };
            let gone = || Error::Str("the gateway ends");
            calls.send(call).await.map_err(|_| gone())?;
            let response = answered.await.map_err(|_| gone())??;
            Ok(BytesResponse::from(response.map(Full::new)))
        })
    }
}
