//! Actions before the last one: they let a request pass or answer it.

mod jwt;
mod keys;
mod login;

use albedo_engine::stack::Action;
use albedo_engine::traffic;
use hyper::Response;
use hyper::http::request::Parts;

use crate::bodies::Body;
use crate::serve::{Asked, Trouble};

pub(crate) use keys::Keys;

/// The answer to a request that an action does not let pass.
pub(crate) async fn passes(
    asked: &Asked<'_>,
    action: &Action,
    read: &traffic::Request,
    parts: &mut Parts,
) -> Option<Response<Body>> {
    match action {
        Action::Forward(_) | Action::Redirect(_) | Action::FixedResponse(_) => None,
        Action::JwtValidation(validation) => {
            jwt::passes(asked, validation, &parts.headers).await.map(Trouble::response)
        }
        Action::AuthenticateOidc(by) => login::passes(by, &login::OIDC, asked, read, parts),
        Action::AuthenticateCognito(by) => login::passes(by, &login::COGNITO, asked, read, parts),
        // AWS holds it, and it cannot be read here: nothing passes.
        Action::Unknown { .. } => Some(Trouble::Internal.response()),
    }
}
