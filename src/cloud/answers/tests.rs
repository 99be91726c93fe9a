//! A server that lies, and the SDK's own clients: whatever it answers, a call ends in time, as an error that names its operation.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use albedo_engine::plan::operation::ApiService;
use albedo_engine::stack::Addon;
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::super::error::CloudError;
use super::super::sdk::loader;
use super::super::throttle::Throttle;
use super::super::{Cloud, CloudConfig};
use super::*;

/// What is answered to a call of an operation: bytes of the answer, one piece after the other, and none at its end.
type Lie = fn(operation: &str, piece: usize) -> Option<Vec<u8>>;

/// Before a piece: half a second in which nothing comes.
const SILENCE: &[u8] = b"(silence)";

/// A server that answers every request with the same lie, and closes the connection after it.
struct Liar {
    url: String,
    _task: JoinSet<()>,
}

impl Liar {
    async fn new(lie: Lie) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = socket.accept().await {
                connections.spawn(answer(stream, lie));
            }
        });
        Self { url, _task: task }
    }

    /// AWS at this endpoint.
    async fn cloud(&self) -> Cloud {
        let mut config = CloudConfig::new("eu-test-1", "vpc-1", "test");
        config.endpoints = ApiService::ALL.iter().map(|service| (*service, self.url.clone())).collect();
        config.throttle = unhurried();
        cloud_with(config, http_client()).await
    }
}

/// No waits: these calls are not AWS's.
pub(super) fn unhurried() -> Throttle {
    let rows: Vec<_> = ApiService::ALL.iter().map(|service| format!("{}:.*=100000:100000", service.id())).collect();
    Throttle::parse(&rows.join(",")).unwrap()
}

/// The operation that a request is of. The query protocol names it in the body, JSON in a header.
pub(super) fn operation_of(request: &str) -> Option<String> {
    let marks = ["Action=", "X-Amz-Target: ", "x-amz-target: "];
    let (service, named) = marks.iter().find_map(|mark| {
        let (_, rest) = request.split_once(mark)?;
        let named: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "._".contains(*c)).collect();
        let (service, named) =
            named.rsplit_once('.').map_or((String::new(), named.clone()), |(a, b)| (a.to_owned(), b.to_owned()));
        (!named.is_empty()).then_some((service, named))
    })?;
    // Both of the WAFs have it.
    let classic = if service.starts_with("AWSWAF_Regional") { "Classic" } else { "" };
    Some(format!("{classic}{named}"))
}

/// AWS behind a client, with credentials and one attempt a read.
pub(super) async fn cloud_with(config: CloudConfig, client: SharedHttpClient) -> Cloud {
    let credentials = SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test"));
    let loader = loader(&config.region, 1).http_client(client).credentials_provider(credentials);
    Cloud::of(config, loader).await
}

async fn answer(mut stream: TcpStream, lie: Lie) -> Option<()> {
    let mut request = Vec::new();
    let operation = loop {
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
        if let Some(operation) = operation_of(&String::from_utf8_lossy(&request)) {
            break operation;
        }
    };
    for piece in 0.. {
        let Some(bytes) = lie(&operation, piece) else { break };
        let spoken = bytes.strip_prefix(SILENCE);
        if spoken.is_some() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        stream.write_all(spoken.unwrap_or(&bytes)).await.ok()?;
    }
    stream.shutdown().await.ok()?;
    // What is still on its way would make the system throw away what was sent.
    tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut request)).await.ok()?.ok()?;
    Some(())
}

/// Operations of all services and protocols, and what came of each.
pub(super) async fn ask(cloud: &Cloud) -> Vec<(&'static str, Result<(), CloudError>)> {
    let one = || vec!["arn".to_owned()];
    macro_rules! asked {
        ($($operation:literal => $call:expr,)+) => {
            vec![$(Box::pin(async { ($operation, $call.await.map(drop)) })
                as Pin<Box<dyn Future<Output = (&'static str, Result<(), CloudError>)> + '_>>),+]
        };
    }
    let mut all = join_all(asked! {
        "DescribeLoadBalancers" => cloud.describe_load_balancers(one()),
        "DescribeTargetGroups" => cloud.describe_target_groups(one()),
        "DescribeTags" => cloud.tags_of(one()),
        "DescribeListeners" => cloud.listeners("arn"),
        "DescribeRules" => cloud.rules("arn"),
        "DescribeLoadBalancerAttributes" => cloud.load_balancer_attributes("arn"),
        "DescribeTargetHealth" => cloud.target_health("arn"),
        "DescribeCapacityReservation" => cloud.attached(Addon::Capacity, "arn"),
        "DescribeInstances" => cloud.node_interfaces(&one()),
        "DescribeNetworkInterfaces" => cloud.interfaces_by_id(&one()),
        "DescribeSecurityGroups" => cloud.security_groups(&one()),
        "GetWebACLForResource" => cloud.attached(Addon::WebAcl, "arn"),
        "GetWebACLForResource" => cloud.attached(Addon::ClassicWebAcl, "arn"),
        "DescribeProtection" => cloud.attached(Addon::Shield, "arn"),
    })
    .await;
    let mut facts = albedo_engine::facts::Facts::default();
    let failed = Box::pin(cloud.refresh(&mut facts, jiff::Timestamp::UNIX_EPOCH, true)).await;
    all.extend(failed.into_iter().map(|(_, error)| ("", Err(error))));
    all
}

/// Whether an operation is one of JSON.
fn is_json(operation: &str) -> bool {
    operation.contains("ACL")
        || operation.contains("Certificate")
        || operation.contains("Protection")
        || operation.contains("Subscription")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n";

/// The beginning of a proper answer, up to the first item of its list.
fn begun(operation: &str) -> String {
    match operation {
        "GetWebACLForResource" | "ClassicGetWebACLForResource" => r#"{"WebACL": {"Rules": ["#.to_owned(),
        "ListWebACLs" => r#"{"WebACLs": ["#.to_owned(),
        "ListCertificates" => r#"{"CertificateSummaryList": ["#.to_owned(),
        _ if is_json(operation) => r#"{"Items": ["#.to_owned(),
        "DescribeInstances" => {
            "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><reservationSet><item>\
             <instancesSet>"
                .to_owned()
        }
        _ => {
            let list = operation.trim_start_matches("Describe");
            let mut small = list.to_owned();
            small.replace_range(..1, &list.chars().take(1).collect::<String>().to_lowercase());
            let small = match operation {
                "DescribeSecurityGroups" => "securityGroupInfo".to_owned(),
                other => format!("{}Set", small.trim_end_matches('s').replace(other, "")),
            };
            let is_ec2 = ["Sec", "Net", "Sub", "Vpc", "Rou", "Man", "Ava"].iter().any(|start| list.starts_with(start));
            match is_ec2 {
                true => format!(
                    "<{operation}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId>\
                     <{small}>"
                ),
                false => format!(
                    "<{operation}Response xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\
                     <{operation}Result><{list}>"
                ),
            }
        }
    }
}

fn first(operation: &str, piece: usize, then: impl Fn(&str) -> String) -> Vec<u8> {
    let head = if piece == 0 { format!("{OK}{}", begun(operation)) } else { String::new() };
    (head + &then(operation)).into_bytes()
}

fn repeated(text: &str) -> String {
    text.repeat(65_536 / text.len())
}

/// Each lie, and what the error says of it at least once.
const LIES: &[(&str, Lie, &str)] = &[
    (
        // Of three protocols, as reading so much of it takes a moment.
        "a text without an end",
        |o, n| match ["DescribeRules", "DescribeSecurityGroups", "ListCertificates"].contains(&o) {
            true => Some(first(o, n, |_| repeated("all work and no play "))),
            false => None,
        },
        "more than 8388608 bytes",
    ),
    (
        "items without an end",
        |o, n| Some(first(o, n, |o| repeated(if is_json(o) { "{}," } else { "<item/><member/>" }))),
        "more than 10000 items",
    ),
    (
        "small items without an end",
        |o, n| {
            Some(first(o, n, |o| match (is_json(o), n) {
                (true, _) => repeated("{\"a\": 1},"),
                (false, 0) => "<a><b><c><d><e><f>".to_owned(),
                (false, _) => repeated("<item><a/></item><member/>"),
            }))
        },
        "more than 40000 items",
    ),
    (
        "elements in elements",
        |o, n| Some(first(o, n, |o| repeated(if is_json(o) { "[" } else { "<a>" }))),
        "nested deeper than 64",
    ),
    (
        "entities of entities",
        |_, n| {
            let mut bomb = OK.to_owned() + "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol0 \"lol\">";
            for level in 1..10 {
                let _ = write!(bomb, "<!ENTITY lol{level} \"{}\">", format!("&lol{};", level - 1).repeat(10));
            }
            (n == 0).then(|| (bomb + "]><lolz>&lol9;</lolz>").into_bytes())
        },
        "a declaration or comment",
    ),
    (
        "an answer that is cut off",
        |o, n| (n == 0).then(|| first(o, 0, |o| if is_json(o) { "{".to_owned() } else { "<item>".to_owned() })),
        "ends in the middle",
    ),
    ("noise", |_, n| (n < 4).then(|| [OK.as_bytes(), &(0..=255).collect::<Vec<u8>>()].concat()), "Unreadable"),
    (
        "a page for people",
        |_, n| (n == 0).then(|| format!("{OK}<html><body><p>Log in<br></body></html>").into_bytes()),
        "Unreadable",
    ),
    (
        "an error without an end",
        |_, n| {
            let head = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<ErrorResponse><Error><Code>";
            Some((if n == 0 { head.to_owned() } else { String::new() } + &repeated("x")).into_bytes())
        },
        "more than 65536 bytes",
    ),
    (
        "an error of noise",
        |_, n| (n == 0).then(|| b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n\xff\x00<<<".to_vec()),
        "400 Unreadable",
    ),
    (
        "headers without an end",
        |_, n| {
            Some(match n {
                0 => b"HTTP/1.1 200 OK\r\n".to_vec(),
                _ => format!("X-A: {}\r\n", "a".repeat(8_000)).into_bytes(),
            })
        },
        "gave no answer",
    ),
    ("another protocol", |_, n| (n == 0).then(|| b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()), "gave no answer"),
    ("nothing", |_, _| None, "gave no answer"),
    (
        "another place",
        |_, n| {
            (n == 0)
                .then(|| b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec())
        },
        "302 Unreadable",
    ),
];

#[tokio::test]
async fn whatever_is_answered_is_an_error_in_time() {
    for (what, lie, says) in LIES {
        let liar = Liar::new(*lie).await;
        let cloud = liar.cloud().await;
        let began = Instant::now();
        let mut heard = String::new();
        for (operation, result) in Box::pin(ask(&cloud)).await {
            let Err(error) = result else { panic!("{what}: {operation} was believed") };
            let said = error.to_string();
            assert!(said.starts_with("AWS ") && said.contains(operation), "{what}: {operation}: {said}");
            assert!(said.chars().count() < 5_000, "{what}: {} characters", said.chars().count());
            assert!(
                !error.is_refusal_of_input(),
                "{what}: {operation} counts as a refusal of somebody's input: {said}"
            );
            heard += &format!("{said}\n");
        }
        assert!(heard.contains(says), "{what}: nothing says {says:?}:\n{heard}");
        assert!(began.elapsed() < Duration::from_mins(1), "{what} took {:?}", began.elapsed());
    }
}

/// Slow ones end at the timeouts of the SDK's clients: an attempt has ten seconds for the whole of its answer.
#[tokio::test]
async fn who_answers_slowly_is_not_waited_for() {
    let lies: [Lie; 3] = [
        |_, n| {
            Some(match n {
                0 => b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n<a>".to_vec(),
                _ => SILENCE.to_vec(),
            })
        },
        |_, _| Some([SILENCE, b"HTTP/1.1 100 Continue\r\n\r\n"].concat()),
        |_, n| Some(if n == 0 { format!("{OK}<a>").into_bytes() } else { [SILENCE, b" "].concat() }),
    ];
    let began = Instant::now();
    join_all(lies.iter().map(async |lie| {
        let liar = Liar::new(*lie).await;
        let cloud = liar.cloud().await;
        let error = cloud.security_groups(&["sg-1".to_owned()]).await.unwrap_err();
        assert!(error.to_string().starts_with("AWS DescribeSecurityGroups"), "{error}");
    }))
    .await;
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}

/// One page after the other, each with another marker: by number of pages, by bytes, by items.
#[tokio::test]
async fn pages_without_an_end_are_errors() {
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    fn page(filled: &str) -> Vec<u8> {
        let number = PAGE.fetch_add(1, Ordering::Relaxed);
        format!(
            "{OK}{}{filled}</securityGroupInfo><nextToken>{number}</nextToken></DescribeSecurityGroupsResponse>",
            begun("DescribeSecurityGroups")
        )
        .into_bytes()
    }
    let rows: [(Lie, &str); 3] = [
        (|_, n| (n == 0).then(|| page("")), "gave a list without an end"),
        (
            |_, n| {
                (n == 0).then(|| {
                    page(&format!("<item><groupDescription>{}</groupDescription></item>", "x".repeat(4 << 20)))
                })
            },
            "the pages of its list have more than",
        ),
        (|_, n| (n == 0).then(|| page(&"<item/>".repeat(9_000))), "the pages of its list have more than"),
    ];
    for (lie, says) in rows {
        let liar = Liar::new(lie).await;
        let error = liar.cloud().await.describe_security_groups(Vec::new()).await.unwrap_err().to_string();
        assert!(error.starts_with("AWS DescribeSecurityGroups") && error.contains(says), "{error}");
    }
}

/// What AWS really answers passes: measured in pieces of any size.
#[test]
fn proper_answers_pass() {
    let listed = "<DescribeRulesResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\n  \
                  <DescribeRulesResult><Rules><member><Values><member>/a/&gt;</member></Values><Empty/>\
                  <Text>a/> b</Text></member></Rules></DescribeRulesResult></DescribeRulesResponse>\n";
    let answers = [
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{listed}"),
        listed.to_owned(),
        r#"{"WebACLs":[{"Name":"<!--"},{}]}"#.to_owned(),
        "ami-id\n<not xml".to_owned(),
        String::new(),
    ];
    for text in answers {
        for size in [1, 2, 3, 7, 1000] {
            let mut scan = Scan::default();
            let mut items = 0;
            for piece in text.as_bytes().chunks(size) {
                items += scan.take(piece).unwrap();
            }
            scan.end().unwrap();
            assert_eq!(items, if text.contains("Rules") || text.starts_with('{') { 2 } else { 0 }, "{text}");
        }
    }
}

#[test]
fn what_lies_inside_is_seen_in_pieces_of_any_size() {
    let rows = [
        ("<a><!DOCTYPE b></a>".to_owned(), Unfit::Declaration),
        ("<a>".repeat(65), Unfit::Depth),
        ("<a><b></b>".to_owned(), Unfit::Cut),
        ("<a><b/".to_owned(), Unfit::Cut),
        (format!("<a>{}", "<item/>".repeat(LARGE_ITEMS + 1)), Unfit::Items(LARGE_ITEMS)),
        (format!("[{}", "{},".repeat(LARGE_ITEMS + 1)), Unfit::Items(LARGE_ITEMS)),
    ];
    for (text, unfit) in rows {
        for size in [1, 2, 3, 1000] {
            let mut scan = Scan::default();
            let told = text.as_bytes().chunks(size).try_for_each(|piece| scan.take(piece).map(drop));
            assert_eq!(told.and_then(|()| scan.end()), Err(unfit), "{}", text.len());
        }
    }
}
