//! A refusal of a request that stays here.

use crate::listen::Excess;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::record::Record;
use crate::pipeline::refusal::{Cause, Refusal};
use crate::request::Inbound;
use crate::respond::{Form, Reason, ResponseBody, drain};
use http::header::{CONNECTION, ORIGIN};
use http::{HeaderValue, Response};
use std::time::Duration;

impl Gateway {
    /// The answer to a request whose handling panicked.
    pub(super) fn refuse_after_panic(&self) -> Response<ResponseBody> {
        let mut record = Record::new(self.now(), self.ids.next());
        self.refuse(Reason::Internal.into(), Form::Problem, None, &mut record)
    }

    /// The answer to whoever comes while there is no room for anybody. Nothing of the request is judged, and little is read: it must cost
    /// a small part of what it would to let it in.
    pub(super) fn turn_away(&self, excess: &Excess<'_>) -> Response<ResponseBody> {
        let mut record = Record::new(self.now(), self.ids.next());
        record.client = Some(excess.conn.peer.ip());
        let (mut form, mut cors) = (Form::Problem, None);
        if let Some(request) = excess.request {
            record.read_request(request);
            form = Form::of(request.method(), request.headers());
            cors = request.headers().get(ORIGIN).filter(|origin| self.trusted_origins().contains(origin));
        }
        let refusal = Refusal::caused(Reason::Overloaded, Cause::Scarce(excess.scarce));
        let response = self.refuse(refusal, form, cors.cloned(), &mut record);
        self.conclude(&record, response.status(), Duration::ZERO);
        response
    }

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
