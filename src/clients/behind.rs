//! What is behind a token of ours, asked at its store.

use crate::clients::desk::Tools;
use crate::clock::UnixMillis;
use crate::revocation::{Live, RevocationError};
use crate::token::{OwnToken, Slots, StandsFor};

/// What is behind it.
#[derive(Debug)]
pub(super) enum Behind {
    /// A session that lives.
    Session(Box<Live<Slots>>),
    /// A bearer of some issuer's, which ends with the token or before.
    Bearer,
    /// Nothing any more.
    Nothing,
}

impl Behind {
    /// Of this token.
    pub(super) async fn of(
        token: &OwnToken<'_>,
        tools: &Tools<'_>,
        now: UnixMillis,
    ) -> Result<Self, RevocationError> {
        let endings = Some(&**tools.revoker.endings());
        match token.stands_for(tools.minter, tools.issuers, endings, now) {
            StandsFor::Nothing => Ok(Self::Nothing),
            StandsFor::Bearer => Ok(Self::Bearer),
            StandsFor::Session(sid) => {
                let found = tools.revoker.find(tools.authenticator, &sid, now).await?;
                let found = found.filter(|live| token.is_of(tools.minter, live.session.session()));
                Ok(found.map_or(Self::Nothing, |live| Self::Session(Box::new(live))))
            }
        }
    }
}
