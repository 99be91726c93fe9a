//! Answers that were recorded (`tests/aws/answers`), changed a little, through the SDK's own readers and ours: no panic, always an end, and
//! an error names its operation. `make fuzz` runs more of them.

use std::sync::{Arc, OnceLock};

use albedo_chance::{Chance, runs};
use aws_smithy_runtime_api::client::http::http_client_fn;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::StatusCode;
use futures::FutureExt as _;

use super::super::{Cloud, CloudConfig};
use super::tests::{ask, cloud_with, operation_of, unhurried};
use super::*;

const PIECES: &[&str] = &[
    "<item>",
    "</item>",
    "<item/>",
    "<member>",
    "</member>",
    "<member/>",
    "<a b=\"c\">",
    "</a>",
    "<!--",
    "<![CDATA[",
    "<!DOCTYPE a>",
    "<?xml?>",
    "&lt;",
    "&a;",
    "&#0;",
    "&#x110000;",
    "]]>",
    "true",
    "false",
    "maybe",
    "-1",
    "0",
    "99999999999999999999",
    "1e400",
    "NaN",
    "2026-01-01T00:00:00Z",
    "9999999-13-45",
    "\u{0}",
    "\u{feff}",
    "é",
    "🦀",
    "{}",
    "[]",
    "null",
    "\"",
    "\\u0000",
    "\\ud800",
    "{\"a\":",
    ",",
    "arn:aws:",
    "application",
    "network",
    "active",
    "HTTPS",
    "10.0.0.0/99",
    "::/129",
];
/// Bytes of an error answer, which the SDK reads in another way.
const ERRORS: [&str; 3] = [
    "<ErrorResponse><Error><Type>Sender</Type><Code>TargetGroupNotFound</Code><Message>no</Message></Error></ErrorResponse>",
    "<Response><Errors><Error><Code>InvalidGroup.NotFound</Code><Message>no</Message></Error></Errors></Response>",
    "{\"__type\": \"com.amazonaws#ResourceNotFoundException\", \"message\": \"no\"}",
];

/// What was recorded, by operation.
fn recorded() -> &'static [(String, Vec<u8>)] {
    static RECORDED: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws/answers")).unwrap();
        let mut all: Vec<_> = files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "xml" || end == "json"))
            .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
            .collect();
        all.sort();
        all
    })
}

/// The answer to the call of a run.
fn answer(request: &HttpRequest, chance: &mut Chance, edits: bool) -> HttpResponse {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let body = request.body().bytes().unwrap_or_default();
    let operation =
        operation_of(&format!("X-Amz-Target: {target}\n{}", String::from_utf8_lossy(body))).unwrap_or_default();
    let fitting = recorded().iter().find(|(name, _)| *name == operation);
    let mut bytes = fitting.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
    let mut status = 200;
    if edits {
        if chance.one_in(12) {
            (bytes, status) = (chance.pick(&ERRORS).as_bytes().to_vec(), *chance.pick(&[400, 403, 500, 503]));
        } else if chance.one_in(30) {
            bytes.clone_from(&chance.pick(recorded()).1);
        }
        if !chance.one_in(4) {
            chance.edit(&mut bytes, PIECES);
        }
    }
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(bytes))
}

/// AWS that answers what was recorded.
async fn cloud(run: u64, edits: bool) -> Cloud {
    let mut config = CloudConfig::new("eu-test-1", "vpc-1", "test");
    config.throttle = unhurried();
    let chance = Arc::new(std::sync::Mutex::new(Chance::of_run(run)));
    let client = http_client_fn(move |_, _| SharedHttpConnector::new(Canned { chance: Arc::clone(&chance), edits }));
    cloud_with(config, bounded(client)).await
}

struct Canned {
    chance: Arc<std::sync::Mutex<Chance>>,
    edits: bool,
}

impl std::fmt::Debug for Canned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canned")
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Ok(answer(&request, &mut self.chance.lock().unwrap(), self.edits)))
    }
}

#[tokio::test]
async fn recorded_answers_are_read() {
    for (operation, result) in Box::pin(ask(&cloud(0, false).await)).await {
        result.unwrap_or_else(|error| panic!("{operation}: {error}"));
    }
}

#[tokio::test]
async fn answers_that_are_nearly_right_end_well() {
    let (runs, began) = (runs(20), std::time::Instant::now());
    let count = runs.end - runs.start;
    let (mut answers, mut errors) = (0, 0);
    for run in runs {
        let asked = std::panic::AssertUnwindSafe(async { Box::pin(ask(&cloud(run, true).await)).await }).catch_unwind();
        let heard = tokio::time::timeout(std::time::Duration::from_mins(1), asked).await;
        let heard =
            heard.unwrap_or_else(|_| panic!("run {run} has no end")).unwrap_or_else(|_| panic!("run {run} panicked"));
        for (operation, result) in heard {
            answers += 1;
            let Err(error) = result else { continue };
            errors += 1;
            let said = error.to_string();
            assert!(said.starts_with("AWS ") && said.contains(operation), "run {run}: {operation}: {said}");
            assert!(said.len() < 20_000, "run {run}: {operation}: {} bytes", said.len());
        }
    }
    println!("answers: {count} runs, {answers} answers, {errors} errors in {:?}", began.elapsed());
}
