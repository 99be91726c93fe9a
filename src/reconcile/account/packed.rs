//! Published facts as bytes: packed by gzip, within the size that the `ConfigMaps` have together.

use std::io::{self, Read as _, Write as _};

use albedo_engine::facts::{Facts, Published};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::cluster::{PART, PARTS};

/// The most bytes of all parts.
const ROOM: usize = PART * PARTS;
/// The most bytes that are unpacked, as of a file of facts: a few bytes can be the packed form of very many.
const UNPACKED: u64 = 64 << 20;

/// What cannot be packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Facts without a JSON form.
    #[error("facts cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// Not the output of gzip, or more than it may be.
    #[error("the parts cannot be unpacked")]
    Gzip(#[from] io::Error),
    /// Larger than everything that may be left out.
    #[error(
        "facts are larger than {ROOM} bytes, even without certificates, security groups, subnets and target groups"
    )]
    TooLarge,
    /// More bytes than facts can have.
    #[error("the parts have more than {UNPACKED} bytes when they are unpacked")]
    Bomb,
}

/// Facts that are packed.
#[derive(Debug)]
pub struct Packed {
    /// What was packed.
    pub published: Published,
    /// How many kinds had to be left out.
    pub left_out: usize,
    bytes: Vec<u8>,
}

impl Packed {
    /// Packs what admission needs of the facts, and leaves out kinds until it has room.
    ///
    /// # Errors
    /// If it never has.
    pub fn of(facts: &Facts) -> Result<Self, PackError> {
        Self::within(facts, ROOM)
    }

    fn within(facts: &Facts, room: usize) -> Result<Self, PackError> {
        let mut left_out = 0;
        while let Some(published) = Published::of(facts, left_out)? {
            let bytes = packed(&published.content)?;
            if bytes.len() <= room {
                return Ok(Self { published, left_out, bytes });
            }
            left_out += 1;
        }
        Err(PackError::TooLarge)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn packed(content: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content.as_bytes())?;
    encoder.finish()
}

/// The content of parts.
///
/// # Errors
/// If they are not those of a content, or it is too large.
pub fn unpacked(bytes: &[u8]) -> Result<String, PackError> {
    let mut content = String::new();
    let count = GzDecoder::new(bytes).take(UNPACKED + 1).read_to_string(&mut content)?;
    if u64::try_from(count).is_ok_and(|count| count <= UNPACKED) { Ok(content) } else { Err(PackError::Bomb) }
}

#[cfg(test)]
mod tests {
    use albedo_engine::facts::{Aged, Certificate, SecurityGroupFact};
    use albedo_engine::stack::{Tags, TargetGroupTraits};
    use jiff::Timestamp;

    use super::*;

    /// Letters that do not repeat, as ids of AWS have them.
    fn id(number: u64) -> String {
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        state ^= state >> 31;
        format!("{:016x}{:016x}", state.wrapping_mul(0xbf58_476d_1ce4_e5b9), state.wrapping_mul(0x94d0_49bb_1331_11eb))
    }

    fn account(size: u64) -> Facts {
        let read_at = Timestamp::from_second(1_800_000_000).unwrap();
        let arn = |what: &str, number: u64| format!("arn:aws:{what}:eu-central-1:123456789012:{}", id(number));
        let certificate = |number| Certificate {
            arn: arn("acm:certificate", number),
            status: "ISSUED".to_owned(),
            domains: vec![format!("team-{number}.example.com"), format!("*.team-{number}.example.com")],
            certificate_authority: None,
        };
        let group = |number| SecurityGroupFact {
            id: format!("sg-{}", id(number)),
            name: format!("k8s-team{number}"),
            tags: Tags::from([("Name".to_owned(), format!("team-{number}"))]),
        };
        let traits = TargetGroupTraits {
            target_type: "ip".to_owned(),
            protocol: "HTTP".to_owned(),
            ip_address_type: "ipv4".to_owned(),
            vpc_id: "vpc-1".to_owned(),
        };
        let groups =
            || (0..size).map(|number| (format!("k8s-shop-{:.10}", id(number)), arn("elb:targetgroup", number)));
        Facts {
            certificates: Some(Aged { value: (0..size).map(certificate).collect(), read_at }),
            security_groups: Some(Aged { value: (0..size).map(group).collect(), read_at }),
            target_group_names: Some(Aged { value: groups().collect(), read_at }),
            target_groups: Some(Aged { value: groups().map(|(_, arn)| (arn, traits.clone())).collect(), read_at }),
            ..Facts::default()
        }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let facts = account(20);
        let packed = Packed::of(&facts).unwrap();
        assert_eq!((unpacked(packed.bytes()).unwrap(), packed.left_out), (packed.published.content, 0));
    }

    /// 3,000 certificates, security groups and target groups each.
    #[test]
    fn a_large_account_has_room() {
        let packed = Packed::of(&account(3000)).unwrap();
        assert!(packed.left_out == 0 && packed.bytes().len() < PART, "{} bytes", packed.bytes().len());
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        let facts = account(500);
        let all = Packed::of(&facts).unwrap().bytes().len();
        let less = Packed::within(&facts, all - 1).unwrap();
        assert!(less.left_out == 1 && !less.published.read_at.contains_key("target_groups"));
        assert!(matches!(Packed::within(&facts, 10), Err(PackError::TooLarge)));
    }

    #[test]
    fn damage_and_bombs_are_errors() {
        let whole = Packed::of(&account(20)).unwrap();
        let bytes = whole.bytes();
        assert!(unpacked(&bytes[..bytes.len() - 1]).is_err() && unpacked(b"facts").is_err() && unpacked(&[]).is_err());
        let bomb = packed(&" ".repeat(usize::try_from(UNPACKED).unwrap() + 1)).unwrap();
        assert!(bomb.len() < 200_000 && matches!(unpacked(&bomb), Err(PackError::Bomb)));
    }
}
