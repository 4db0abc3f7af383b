//! One order, from its placing to the certificate.

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, KeyPair};
use std::time::Duration;
use zeroize::Zeroizing;

use crate::acme::trouble::Trouble;
use crate::config::AcmeChallenge;
use crate::tls::{Challenges, Posed, validity};

/// Authorities look for a proof from several places, and some of them slowly.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).timeout(Duration::from_secs(90));

/// Orders a certificate for `name`: the key and the chain, as PEM.
pub(super) async fn order(
    account: &Account,
    name: &str,
    challenge: AcmeChallenge,
    challenges: &Challenges,
) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let names = [Identifier::Dns(name.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let proofs = prove(&mut order, name, challenge, challenges).await?;
    let looked = order.poll_ready(&PATIENCE).await;
    drop(proofs);
    match looked {
        Ok(OrderStatus::Ready) => {}
        Ok(_) => return Err(Trouble::Unproved("it does not say why".to_owned())),
        Err(error) => return Err(Trouble::of_proof(error)),
    }
    let key = KeyPair::generate().map_err(|_| Trouble::NoKey)?;
    let params = CertificateParams::new([name.to_owned()]).map_err(|_| Trouble::NoKey)?;
    let request = params.serialize_request(&key).map_err(|_| Trouble::NoKey)?;
    order.finalize_csr(request.der()).await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    validity(chain.as_bytes()).ok_or(Trouble::Unusable)?;
    let key = Zeroizing::new(key.serialize_pem());
    Ok(Zeroizing::new([key.as_bytes(), chain.as_bytes()].concat()))
}

/// Poses a proof for all that the authority wants to see, and tells it so. They stand as long as what is returned.
async fn prove(
    order: &mut Order,
    name: &str,
    challenge: AcmeChallenge,
    challenges: &Challenges,
) -> Result<Vec<Posed>, Trouble> {
    let mut proofs = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let kind = match challenge {
            AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            AcmeChallenge::Http01 => ChallengeType::Http01,
        };
        let mut asked = authorization.challenge(kind).ok_or(Trouble::NoSuchChallenge)?;
        let proof = asked.key_authorization();
        proofs.push(match challenge {
            AcmeChallenge::TlsAlpn01 => {
                challenges.show(name, proof.digest().as_ref()).ok_or(Trouble::NoKey)?
            }
            AcmeChallenge::Http01 => challenges.tell(&asked.token, proof.as_str()),
        });
        asked.set_ready().await?;
    }
    Ok(proofs)
}
