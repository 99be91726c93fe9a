//! Where credentials come from in a cluster: IAM roles for service accounts (STS), EKS Pod Identity (an agent on the node).

use std::sync::Arc;

use albedo_testenv::free_port;
use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::base::Base;
use crate::fixture::Fixture;
use crate::tls::{REGION, facts};

const ROLE: &str = "arn:aws:iam::123456789012:role/albedo";

/// STS takes the token that is in the file for the role, and the calls after that are made with what it gives.
pub async fn a_role_is_assumed_with_the_token_of_a_service_account(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "irsa").await?;
    let emulator = fixture.scope.emulator();
    let token = fixture.write("token", "token-of-a-service-account")?.to_string_lossy().into_owned();
    let since = emulator.mark().await?;
    let env = |sts: String| {
        vec![
            ("AWS_ENDPOINT_URL", emulator.endpoint().to_owned()),
            ("AWS_ENDPOINT_URL_STS", sts),
            ("AWS_ROLE_ARN", ROLE.to_owned()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.clone()),
        ]
    };
    let (ended, said, wrote) = facts(&fixture, &env(emulator.endpoint().to_owned())).await?;
    ensure!(ended && wrote["subnets"]["value"].is_array(), "{said}");
    let calls = emulator.calls_since(REGION, since).await?;
    let assumed =
        calls.iter().find(|call| call.operation == "AssumeRoleWithWebIdentity").context("STS was not asked")?;
    let params = &assumed.params;
    ensure!(params["RoleArn"] == ROLE && params["WebIdentityToken"] == "token-of-a-service-account", "{params}");
    // Keys of roles that were assumed begin like this. Other tests call in this region, too.
    let read = calls.iter().any(|call| call.operation == "DescribeSubnets" && call.caller.starts_with("ASIA"));
    ensure!(read, "nothing was read with what STS gave");
    // Without an answer of STS there are no credentials, and it is told.
    let (ended, said, _) = facts(&fixture, &env(format!("http://127.0.0.1:{}", free_port()?))).await?;
    ensure!(!ended && said.contains("credentials"), "{said}");
    fixture.close().await
}

/// The agent gives credentials for the token that is in the file at the time, and refuses any other.
pub async fn a_pod_identity_is_asked_with_its_token(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "podidentity").await?;
    let emulator = fixture.scope.emulator();
    let agent = TcpListener::bind("127.0.0.1:0").await?;
    let port = agent.local_addr()?.port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = agent.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && head.len() < 8192 {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let is_known = text.starts_with("get /v1/credentials ") && text.contains("authorization: token-of-a-pod\r\n");
            let (status, body) = match is_known {
                true => ("200 OK", r#"{"AccessKeyId": "of-a-pod", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}"#),
                false => ("401 Unauthorized", r#"{"message": "who is this?"}"#),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            // Who went away needs no answer.
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    for (token, is_known) in [("token-of-a-pod", true), ("token-of-somebody", false)] {
        let token = fixture.write("token", token)?.to_string_lossy().into_owned();
        let since = emulator.mark().await?;
        let env = [
            ("AWS_ENDPOINT_URL", emulator.endpoint().to_owned()),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://127.0.0.1:{port}/v1/credentials")),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token),
        ];
        let (ended, said, _) = facts(&fixture, &env).await?;
        ensure!(ended == is_known, "{said}");
        ensure!(is_known || said.contains("credentials"), "{said}");
        let calls = emulator.calls_since(REGION, since).await?;
        ensure!(calls.iter().any(|call| call.caller == "of-a-pod") == is_known, "{said}");
    }
    fixture.close().await
}
