//! A refusal of a request that stays here.

use crate::pipeline::gateway::Gateway;
use crate::pipeline::record::Record;
use crate::pipeline::refusal::Refusal;
use crate::request::{Conn, Inbound};
use crate::respond::{Form, Reason, ResponseBody, drain};
use http::header::CONNECTION;
use http::{HeaderValue, Response};
use std::time::Duration;

impl Gateway {
    /// The answer to a request whose handling panicked.
    pub(super) fn refuse_after_panic(&self) -> Response<ResponseBody> {
        let mut record = Record::new(self.now(), self.ids.next());
        self.refuse(Reason::Internal.into(), Form::Problem, None, &mut record)
    }

    /// The answer to whoever comes while there is no memory for anybody.
    pub(super) fn turn_away(&self, conn: &Conn) -> Response<ResponseBody> {
        let mut record = Record::new(self.now(), self.ids.next());
        record.client = Some(conn.peer.ip());
        let response = self.refuse(Reason::Overloaded.into(), Form::Problem, None, &mut record);
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
