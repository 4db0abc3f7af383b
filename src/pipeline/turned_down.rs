//! A refusal of a request that stays here.

use crate::pipeline::gateway::Gateway;
use crate::pipeline::record::Record;
use crate::pipeline::refusal::Refusal;
use crate::request::Inbound;
use crate::respond::{Form, ResponseBody, drain};
use http::header::CONNECTION;
use http::{HeaderValue, Response};

impl Gateway {
    /// Refuses a request of which nothing was sent on.
    pub(super) async fn turn_down(
        &self,
        refusal: Refusal,
        inbound: Box<Inbound>,
        origin: Option<HeaderValue>,
        record: &mut Record,
    ) -> Response<ResponseBody> {
        let form = Form::of(inbound.method(), inbound.headers());
        let mut response = self.refuse(refusal, form, origin, record);
        if !drain(inbound.into_body()).await {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
