//! Clients for tests: one request on one connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub async fn read<B: hyper::body::Body<Data = Bytes, Error: std::fmt::Debug>>(response: Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// What the target said.
    pub fn said(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }

    pub fn target(&self) -> String {
        self.said()["target"].as_str().unwrap().to_owned()
    }

    /// A header that reached the target.
    pub fn received(&self, name: &str) -> Option<String> {
        let said = self.said();
        let mut all = said["headers"].as_array().unwrap().iter().filter(|pair| pair[0] == name);
        let first = all.next().map(|pair| pair[1].as_str().unwrap().to_owned());
        assert!(all.next().is_none(), "{name} came more than once");
        first
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The rule that answered.
    pub fn rule(&self) -> &str {
        self.header("x-albedo-rule")
    }

    /// The cookies that it sets, as a client sends them back.
    pub fn cookies(&self) -> Vec<String> {
        let all = self.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        all.map(|cookie| cookie.split(';').next().unwrap().to_owned()).collect()
    }
}

pub async fn get(at: SocketAddr, host: &str, path: &str) -> Answer {
    send(at, host, Method::GET, path, &[], "").await
}

pub async fn get_with(at: SocketAddr, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(at, host, Method::GET, path, headers, "").await
}

pub async fn send(
    at: SocketAddr,
    host: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let answer = Answer::read(answer).await;
    driver.abort();
    answer
}
