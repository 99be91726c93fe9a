//! How large an answer of AWS may be, and what it may be made of. The SDK reads each answer whole and makes objects of all that is in
//! it, so an endpoint that answers with anything would take all memory. What does not fit ends the call while it is read.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, ConnectorBuilder, tls};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes of one answer. The largest are pages of instances: one with 15 interfaces of 50 addresses each has 150 KiB.
const BYTES: usize = 8 << 20;
/// Bytes of an answer that tells of an error. It is kept with the error.
const ERROR_BYTES: usize = 64 << 10;
/// Items of XML down to [`LARGE_DEPTH`], and objects of JSON. The SDK makes up to 3 KiB of each, whatever it holds.
const LARGE_ITEMS: usize = 10_000;
/// Items of XML in all. Those further down are small.
const ITEMS: usize = 40_000;
/// Elements around an instance, which is the largest item: response, reservations, reservation, instances, and itself.
const LARGE_DEPTH: usize = 5;
/// Elements around the innermost one. AWS has some dozen.
const DEPTH: usize = 64;
/// Bytes and items of all pages of one list.
const LIST: Room = Room { bytes: 32 << 20, items: 100_000 };
/// Bytes of all answers that are being read at a time. A large one that finds it full is asked for again by the SDK, a little later.
const AT_ONCE: usize = 32 << 20;
/// An answer up to this size never gives way to others: nearly all have less.
const SMALL: usize = 256 << 10;

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("it has more than {0} bytes")]
    Bytes(usize),
    #[error("it has more than {0} items")]
    Items(usize),
    #[error("the pages of its list have more than {} bytes or {} items", LIST.bytes, LIST.items)]
    List,
    #[error("answers of more than {AT_ONCE} bytes are being read")]
    AtOnce,
    #[error("its elements are nested deeper than {DEPTH}")]
    Depth,
    #[error("it has a declaration or comment, which answers of AWS never have")]
    Declaration,
    #[error("it ends in the middle")]
    Cut,
}

/// What the pages of a list may still have.
#[derive(Debug, Clone, Copy)]
struct Room {
    bytes: usize,
    items: usize,
}

tokio::task_local! {
    static LEFT: RefCell<Room>;
}

/// Reads a list: all answers that come while `pages` runs count as its pages.
pub(super) fn one_list<F: Future>(pages: F) -> impl Future<Output = F::Output> {
    LEFT.scope(RefCell::new(LIST), pages)
}

/// The client that all services and sources of credentials share. It is the SDK's own, with proxies by the environment.
pub(super) fn http_client() -> SharedHttpClient {
    bounded(Builder::new().build_with_connector_fn(|settings, components| {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        let mut builder = ConnectorBuilder::default().tls_provider(provider).proxy_config(ProxyConfig::from_env());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        builder.build()
    }))
}

/// A client whose answers are bounded.
pub(super) fn bounded(client: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(Bounded(client))
}

/// A client or connector whose answers are bounded.
#[derive(Debug)]
struct Bounded<T>(T);

impl HttpClient for Bounded<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Bounded(self.0.http_connector(settings, components)))
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.0.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

impl HttpConnector for Bounded<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            let is_error = !answer.status().is_success();
            Ok(answer.map(|body| SdkBody::from_body_1_x(Measured::new(body, is_error))))
        })
    }
}

/// Bytes of answers that are being read.
static READING: AtomicUsize = AtomicUsize::new(0);

/// A body that is measured while it is read.
struct Measured {
    body: SdkBody,
    is_error: bool,
    /// As many of [`READING`] are of this one.
    bytes: usize,
    scan: Scan,
}

impl Drop for Measured {
    fn drop(&mut self) {
        READING.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Measured {
    fn new(body: SdkBody, is_error: bool) -> Self {
        Self { body, is_error, bytes: 0, scan: Scan::default() }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Unfit> {
        self.bytes = self.bytes.saturating_add(data.len());
        let reading = READING.fetch_add(data.len(), Ordering::Relaxed).saturating_add(data.len());
        let most = if self.is_error { ERROR_BYTES } else { BYTES };
        if self.bytes > most {
            return Err(Unfit::Bytes(most));
        }
        if reading > AT_ONCE && self.bytes > SMALL {
            return Err(Unfit::AtOnce);
        }
        let items = if self.is_error { 0 } else { self.scan.take(data)? };
        // Outside of a list there is nothing to count against.
        let fits = LEFT.try_with(|left| {
            let mut left = left.borrow_mut();
            let room = left.bytes.checked_sub(data.len()).zip(left.items.checked_sub(items));
            room.map(|(bytes, items)| *left = Room { bytes, items }).is_some()
        });
        if fits.unwrap_or(true) { Ok(()) } else { Err(Unfit::List) }
    }
}

impl Body for Measured {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        let fits = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |data| self.take(data)),
            Some(Err(_)) => Ok(()),
            None => self.scan.end(),
        };
        Poll::Ready(match fits {
            Ok(()) => frame,
            Err(unfit) => Some(Err(unfit.into())),
        })
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.body)
    }
}

/// What a text is, by its first character.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Form {
    #[default]
    Unknown,
    Xml,
    Json,
    Other,
}

/// Counts the items of an answer while it comes, and holds XML to what AWS writes: no declarations, which can define entities, and
/// all elements closed. The SDK's reader takes XML that ends early for the whole.
#[derive(Debug, Default)]
struct Scan {
    form: Form,
    /// The two bytes before.
    before: [u8; 2],
    in_tag: bool,
    depth: usize,
    items: usize,
    large: usize,
}

impl Scan {
    /// The number of items that begin in this part.
    fn take(&mut self, data: &[u8]) -> Result<usize, Unfit> {
        let items = self.items;
        for byte in data {
            match self.form {
                Form::Unknown => self.begin(*byte),
                Form::Xml => self.xml(*byte)?,
                Form::Json => self.json(*byte)?,
                Form::Other => break,
            }
            let [_, last] = self.before;
            self.before = [last, *byte];
        }
        Ok(self.items - items)
    }

    fn begin(&mut self, byte: u8) {
        match byte {
            b'<' => self.form = Form::Xml,
            b'{' | b'[' => self.form = Form::Json,
            _ if byte.is_ascii_whitespace() => {}
            _ => self.form = Form::Other,
        }
    }

    fn json(&mut self, byte: u8) -> Result<(), Unfit> {
        // Braces in texts count too, of which there are few.
        if byte == b'{' {
            self.item(true)?;
        }
        Ok(())
    }

    fn xml(&mut self, byte: u8) -> Result<(), Unfit> {
        match (self.before, byte) {
            ([_, b'<'], b'!') => return Err(Unfit::Declaration),
            ([_, b'<'], b'?') => {}
            ([_, b'<'], b'/') => self.depth = self.depth.saturating_sub(1),
            ([_, b'<'], _) => {
                (self.in_tag, self.depth) = (true, self.depth + 1);
                if self.depth > DEPTH {
                    return Err(Unfit::Depth);
                }
            }
            // `<item>` in answers of EC2, `<member>` in those of the others; hardly any other name begins like these.
            ([b'<', b'i'], b't') | ([b'<', b'm'], b'e') => self.item(self.depth <= LARGE_DEPTH)?,
            ([_, b'/'], b'>') if self.in_tag => (self.in_tag, self.depth) = (false, self.depth.saturating_sub(1)),
            (_, b'>') => self.in_tag = false,
            _ => {}
        }
        Ok(())
    }

    fn item(&mut self, is_large: bool) -> Result<(), Unfit> {
        self.items += 1;
        self.large += usize::from(is_large);
        match (self.items > ITEMS, self.large > LARGE_ITEMS) {
            (true, _) => Err(Unfit::Items(ITEMS)),
            (_, true) => Err(Unfit::Items(LARGE_ITEMS)),
            _ => Ok(()),
        }
    }

    fn end(&self) -> Result<(), Unfit> {
        if self.form == Form::Xml && self.depth > 0 { Err(Unfit::Cut) } else { Ok(()) }
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
