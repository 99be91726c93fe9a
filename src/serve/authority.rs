//! Certificates that Albedo makes itself: an authority signs one serving certificate, and its key is thrown away.
//!
//! A renewal makes another authority with another certificate. It goes in two steps: the new authority is trusted beside the old one first, and its
//! certificate is served when whoever calls has had time to learn of it.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::tls;

/// How long a certificate is valid.
const VALID: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long before its end it is renewed.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// What a clock may be behind: certificates are valid from that long ago.
const BEHIND: SignedDuration = SignedDuration::from_hours(24);
/// From the moment that a new authority is trusted until its certificate is served: API servers learn of webhook configurations by a watch, which takes
/// seconds at most.
const LEARNT: SignedDuration = SignedDuration::from_secs(20);
/// Authorities that are trusted at the same time.
const AUTHORITIES: usize = 3;

/// A serving certificate with what is needed to trust it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its private key, as PEM.
    pub key: String,
}

/// What the replicas share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What is served.
    pub current: Pair,
    /// What will be served, and since when its authority is among those that are trusted.
    pub next: Option<(Pair, Timestamp)>,
    /// Authorities to trust, as PEM, the newest last.
    pub authorities: Vec<String>,
    /// Host names that both certificates are for.
    pub names: Vec<String>,
    /// The last wish for a renewal that was fulfilled.
    pub renewed: Option<String>,
}

/// Why no certificate can be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate for {}", names.join(", "))]
pub struct Unmade {
    names: Vec<String>,
    #[source]
    source: rcgen::Error,
}

/// What the replicas should share instead of what they do, if anything.
///
/// `serving`: what this replica serves, with its authorities, in case that the stored one is lost. `trusted`: whether whoever calls was told all
/// authorities that are stored. `wish`: a text that asks for a renewal when it changes.
///
/// # Errors
/// A certificate cannot be made.
pub fn step(
    stored: Option<&Stored>,
    serving: Option<&Stored>,
    names: &[String],
    trusted: bool,
    wish: Option<&str>,
    now: Timestamp,
) -> Result<Option<Stored>, Unmade> {
    let Some(stored) = stored else {
        return match serving {
            Some(serving) => Ok(Some(Stored { next: None, ..serving.clone() })),
            None => first(names, wish, now).map(Some),
        };
    };
    if let Some((next, since)) = &stored.next {
        // A clock that was set back counts as time enough.
        let learnt = now < *since || now.duration_since(*since) >= LEARNT;
        return Ok((trusted && learnt).then(|| Stored { current: next.clone(), next: None, ..stored.clone() }));
    }
    let ends = not_after(&stored.current.certificate);
    let due = ends.is_none_or(|end| end.duration_since(now) < RENEW_BEFORE)
        || stored.names != names
        || (wish.is_some() && wish != stored.renewed.as_deref());
    if !due {
        return Ok(None);
    }
    let (authority, pair) = make(names, now)?;
    let mut authorities = stored.authorities.clone();
    authorities.push(authority);
    authorities.drain(..authorities.len().saturating_sub(AUTHORITIES));
    let renewed = wish.map(str::to_owned).or_else(|| stored.renewed.clone());
    let (current, names) = (stored.current.clone(), names.to_vec());
    Ok(Some(Stored { current, next: Some((pair, now)), authorities, names, renewed }))
}

fn first(names: &[String], wish: Option<&str>, now: Timestamp) -> Result<Stored, Unmade> {
    let (authority, current) = make(names, now)?;
    let (names, renewed) = (names.to_vec(), wish.map(str::to_owned));
    Ok(Stored { current, next: None, authorities: vec![authority], names, renewed })
}

/// An authority and the one certificate that it signs.
fn make(names: &[String], now: Timestamp) -> Result<(String, Pair), Unmade> {
    let made = || {
        let mut root = params(Vec::new(), "albedo webhook authority", now)?;
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate()?)?;
        let mut leaf = params(names.to_vec(), "albedo webhook", now)?;
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &root)?.pem();
        Ok((root.pem(), Pair { certificate, key: key.serialize_pem() }))
    };
    made().map_err(|source| Unmade { names: names.to_vec(), source })
}

fn params(names: Vec<String>, common_name: &str, now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date(now - BEHIND);
    params.not_after = date(now + VALID);
    Ok(params)
}

/// The end of a certificate; `None` if it is none.
fn not_after(pem: &str) -> Option<Timestamp> {
    let end = tls::not_after(&CertificateDer::from_pem_slice(pem.as_bytes()).ok()?)?;
    Timestamp::from_second(i64::try_from(end).ok()?).ok()
}

/// A moment as rcgen takes it.
fn date(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "albedo-webhook.albedo-system.svc";

    fn names() -> Vec<String> {
        vec![NAME.to_owned()]
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_hours(hours)
    }

    fn next(stored: Option<&Stored>, trusted: bool, wish: Option<&str>, now: Timestamp) -> Option<Stored> {
        step(stored, None, &names(), trusted, wish, now).unwrap()
    }

    #[test]
    fn the_first_is_made_and_stays_until_its_end_comes_near() {
        let made = next(None, false, None, at(0)).unwrap();
        assert_eq!((made.authorities.len(), made.next.is_some()), (1, false));
        assert_eq!(next(Some(&made), true, None, at(59 * 24)), None);
        assert!(next(Some(&made), true, None, at(60 * 24 + 1)).is_some());
    }

    #[test]
    fn a_renewal_is_trusted_before_it_is_served() {
        let made = next(None, false, None, at(0)).unwrap();
        let begun = next(Some(&made), true, Some("now"), at(1)).unwrap();
        assert_eq!(begun.current, made.current, "the old one is served");
        assert_eq!(begun.authorities.len(), 2);
        assert_eq!(next(Some(&begun), true, Some("now"), at(1)), None, "callers have had no time to learn of it");
        assert_eq!(next(Some(&begun), false, Some("now"), at(2)), None, "callers were not told of it");
        let done = next(Some(&begun), true, Some("now"), at(2)).unwrap();
        assert_eq!(done.current, begun.next.clone().unwrap().0);
        assert_eq!(done.authorities, begun.authorities, "who was served the old one a moment ago trusts it still");
        assert_eq!(next(Some(&done), true, Some("now"), at(3)), None, "a wish is fulfilled once");
    }

    #[test]
    fn authorities_are_bounded_and_the_newest_stay() {
        let mut stored = next(None, true, None, at(0)).unwrap();
        for wish in ["a", "b", "c", "d"] {
            let begun = next(Some(&stored), true, Some(wish), at(0)).unwrap();
            stored = next(Some(&begun), true, Some(wish), at(1)).unwrap();
        }
        assert_eq!(stored.authorities.len(), AUTHORITIES);
    }

    #[test]
    fn other_names_ask_for_another_certificate() {
        let made = next(None, true, None, at(0)).unwrap();
        let other = vec!["other.svc".to_owned()];
        assert!(step(Some(&made), None, &other, true, None, at(0)).unwrap().is_some());
    }

    #[test]
    fn what_was_lost_is_stored_again_as_it_is_served() {
        let made = next(None, true, None, at(0)).unwrap();
        assert_eq!(step(None, Some(&made), &names(), true, None, at(1)).unwrap(), Some(made));
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let made = next(None, true, None, at(0)).unwrap();
        let begun = next(Some(&made), true, Some("now"), at(5)).unwrap();
        assert!(next(Some(&begun), true, Some("now"), at(1)).is_some());
    }
}
