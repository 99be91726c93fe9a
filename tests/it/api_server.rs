//! What the API server itself refuses: the table that `albedo check` is held against offline, held against a real one.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use albedo_apiserver_objects::{Row, TABLE, rows};
use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use serde_json::Value;

use crate::base::Base;

/// Requests at a time.
const AT_ONCE: usize = 8;

/// The fields that the API server refuses; `-`: none, `decode`: it cannot decode the object.
async fn verdict(client: Client, namespace: &str, row: &Row) -> Result<String> {
    let path = match row.object["kind"].as_str() {
        Some("Service") => format!("/api/v1/namespaces/{namespace}/services"),
        Some("Ingress") => format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"),
        _ => "/apis/networking.k8s.io/v1/ingressclasses".to_owned(),
    };
    let uri = format!("{path}?dryRun=All&fieldValidation=Strict");
    let request = hyper::Request::post(uri).header("content-type", "application/json");
    let status = match client.request::<Value>(request.body(serde_json::to_vec(&row.object)?)?).await {
        Ok(_) => return Ok("-".to_owned()),
        Err(kube::Error::Api(status)) => status,
        Err(error) => return Err(error).context(row.text.clone()),
    };
    // It is validated before it is stored.
    if status.code == 409 {
        return Ok("-".to_owned());
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let fields: BTreeSet<&str> = causes.map(|cause| cause.field.as_str()).collect();
    let fields: Vec<&str> = fields.into_iter().map(|field| if field.is_empty() { "." } else { field }).collect();
    Ok(if fields.is_empty() { "decode".to_owned() } else { fields.join(" ") })
}

pub async fn it_says_what_the_table_says(base: Arc<Base>) -> Result<()> {
    let scope = base.test_env.scope("api-server").await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = rows(root);
    let verdicts = futures::stream::iter(&rows).map(|row| verdict(scope.client(), &scope.namespace, row));
    let verdicts: Vec<String> = verdicts.buffered(AT_ONCE).try_collect().await?;
    let mut faults = Vec::new();
    let mut table = String::new();
    for (row, verdict) in rows.iter().zip(verdicts) {
        // Names in paths of fields are as long as the fields.
        let short = |text: &str| text.chars().take(200).collect::<String>();
        if short(&verdict) != short(&row.verdict) {
            faults.push(format!("{}: the API server says {verdict}, the table {}", row.text, row.verdict));
        }
        let star = if row.is_of_server { "* " } else { "" };
        table.push_str(&format!("{}\t{star}{verdict}\n", row.text));
    }
    if std::env::var_os("UPDATE").is_some() {
        let text = std::fs::read_to_string(root.join(TABLE))?;
        let head: String = text.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        std::fs::write(root.join(TABLE), head + &table)?;
    } else {
        ensure!(faults.is_empty(), "{} of {}:\n{}", faults.len(), rows.len(), faults.join("\n"));
    }
    scope.close().await
}
