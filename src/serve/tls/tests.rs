//! Tests of what is accepted as a serving certificate.

use std::fs;
use std::sync::Mutex;

use rcgen::{CertificateParams, KeyPair};

use super::*;

fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2031, 2, 3);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn certificates_in(directory: &Path) -> Certificates {
    let registry = Arc::new(Mutex::default());
    Certificates::new(Source::in_directory(directory, "tls.crt", "tls.key"), Metrics::new(&registry))
}

fn put(directory: &Path, certificate: &str, key: &str) {
    fs::write(directory.join("tls.crt"), certificate).unwrap();
    fs::write(directory.join("tls.key"), key).unwrap();
}

#[test]
fn the_end_of_validity_is_read() {
    let (certificate, _) = pair();
    let chain = certificates("certificate", certificate.as_bytes()).unwrap();
    // date -u -d 2031-02-03 +%s
    assert_eq!(not_after(&chain[0]), Some(1_927_843_200));
}

#[tokio::test]
async fn a_pair_is_taken_over_once() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = certificates_in(directory.path());
    assert!(matches!(certificates.look(None).await, Err(Refusal::Read { .. })));
    assert!(certificates.current().is_none());

    let (certificate, key) = pair();
    put(directory.path(), &certificate, &key);
    let good = certificates.look(None).await.unwrap().unwrap();
    let first = certificates.current().unwrap();
    assert!(certificates.look(Some(&good)).await.unwrap().is_none());
    assert!(Arc::ptr_eq(&first, &certificates.current().unwrap()));
}

type Expected = fn(&Refusal) -> bool;

#[tokio::test]
async fn what_is_no_pair_is_refused_and_the_last_good_one_stays() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = certificates_in(directory.path());
    let (certificate, key) = pair();
    put(directory.path(), &certificate, &key);
    let good = certificates.look(None).await.unwrap().unwrap();
    let served = certificates.current().unwrap();

    let (other, other_key) = pair();
    let half: String = other.chars().take(other.len() / 2).collect();
    let cases: [(&str, &str, Expected); 6] = [
        (&other, &key, |refusal| matches!(refusal, Refusal::Pair(_))),
        (&certificate, &other_key, |refusal| matches!(refusal, Refusal::Pair(_))),
        ("", &key, |refusal| matches!(refusal, Refusal::Empty { .. })),
        (&certificate, "", |refusal| matches!(refusal, Refusal::Pem { what: "key", .. })),
        (&half, &other_key, |refusal| {
            matches!(refusal, Refusal::Pem { what: "certificate", .. } | Refusal::Empty { .. })
        }),
        ("garbage", "garbage", |refusal| matches!(refusal, Refusal::Empty { .. })),
    ];
    for (certificate, key, expected) in cases {
        put(directory.path(), certificate, key);
        let refusal = certificates.look(Some(&good)).await.err().unwrap();
        assert!(expected(&refusal), "{refusal:?}");
        assert!(Arc::ptr_eq(&served, &certificates.current().unwrap()));
    }

    put(directory.path(), &other, &other_key);
    assert!(certificates.look(Some(&good)).await.unwrap().is_some());
    assert!(!Arc::ptr_eq(&served, &certificates.current().unwrap()));
}
