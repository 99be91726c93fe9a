//! Keys that belong to the rules of an Ingress: actions, conditions, rewrites, authentication.

use crate::annotation::action;
use crate::annotation::action::Written;
use crate::annotation::auth;
use crate::annotation::condition;
use crate::annotation::jwt;
use crate::annotation::row::{Grammar, Merge, OnService, Scope, SettingRow, When};
use crate::annotation::setting::Setting;
use crate::annotation::transform;
use crate::finding::Code;
use crate::stack::{Authenticate, Condition, JwtValidation, Transform};
use Scope::Rule;

settings! { RULE_ROWS:
    ACTIONS: Written = Setting::new(
        "actions.", Rule, Grammar::Json(&action::SHAPE), Merge::Own,
        r#"{"type": "redirect", "redirectConfig": {"host": "www.example.com", "statusCode": "HTTP_301"}}"#,
        "What rules do whose backend is the Service named in the key with the port name `use-annotation`: a fixed response, \
         a redirect, or a forward to weighted target groups.",
    )
    .code(Code::InvalidAction)
    .when(When::BackendAsks)
    .also(&[Code::MissingService, Code::MissingServicePort, Code::ServiceTypeMismatch, Code::TargetGroupNotFound, Code::UnfamiliarValue]);
    CONDITIONS: Vec<Condition> = Setting::new(
        "conditions.", Rule, Grammar::Json(&condition::SHAPE), Merge::Own,
        r#"[{"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "x-canary", "values": ["yes"]}}]"#,
        "What requests must be like, beyond host and path, for every rule whose backend is the Service named in the key.",
    )
    .code(Code::InvalidCondition)
    .when(When::Backend)
    .also(&[Code::RuleTooLarge, Code::UnfamiliarValue]);
    TRANSFORMS: Vec<Transform> = Setting::new(
        "transforms.", Rule, Grammar::Json(&transform::SHAPE), Merge::Own,
        r#"[{"type": "url-rewrite", "urlRewriteConfig": {"rewrites": [{"regex": "^/api/(.*)$", "replace": "/$1"}]}}]"#,
        "How host header and URL are rewritten before a request goes to the Service named in the key.",
    )
    .code(Code::InvalidTransform)
    .when(When::Backend)
    .also(&[Code::UnfamiliarValue]);
    USE_REGEX_PATH_MATCH: bool = Setting::new(
        "use-regex-path-match", Rule, Grammar::Bool, Merge::Own, "true",
        "Takes paths of type ImplementationSpecific, without their leading slash, for regular expressions.",
    )
    .default("false");
    AUTH_TYPE: String = Setting::new(
        "auth-type", Rule, Grammar::OneOf(&["none", "cognito", "oidc"]), Merge::Own, "oidc",
        "How users log in before a request is forwarded. Only on HTTPS listeners: on HTTP ones the backend is open.",
    )
    .code(Code::InvalidAuthentication)
    .fix_of_code()
    .default("none")
    .on_service(OnService::Replaces);
    AUTH_IDP_COGNITO: Authenticate = Setting::new(
        "auth-idp-cognito", Rule, Grammar::Json(&auth::COGNITO), Merge::Own,
        r#"{"userPoolARN": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc", "userPoolClientID": "client", "userPoolDomain": "users"}"#,
        "The Cognito user pool for `auth-type: cognito`.",
    )
    .code(Code::InvalidAuthentication)
    .also(&[Code::UnfamiliarValue])
    .confidential()
    .on_service(OnService::Replaces);
    AUTH_IDP_OIDC: Authenticate = Setting::new(
        "auth-idp-oidc", Rule, Grammar::Json(&auth::OIDC), Merge::Own,
        r#"{"issuer": "https://id.example.com", "authorizationEndpoint": "https://id.example.com/auth", "tokenEndpoint": "https://id.example.com/token", "userInfoEndpoint": "https://id.example.com/userinfo", "secretName": "oidc"}"#,
        "The identity provider for `auth-type: oidc`. The Secret, in the Ingress' namespace, holds clientID and clientSecret.",
    )
    .code(Code::InvalidAuthentication)
    .also(&[Code::MissingSecret, Code::UnfamiliarValue])
    .confidential()
    .on_service(OnService::Replaces);
    AUTH_ON_UNAUTHENTICATED_REQUEST: String = Setting::new(
        "auth-on-unauthenticated-request", Rule, Grammar::OneOf(&["authenticate", "allow", "deny"]), Merge::Own,
        "deny",
        "What happens to a request of nobody: a login page, forwarding as it is, or status 401.",
    )
    .code(Code::InvalidAuthentication)
    .default("authenticate")
    .passed_on()
    .on_service(OnService::Replaces);
    AUTH_SCOPE: String = Setting::new(
        "auth-scope", Rule, Grammar::Text, Merge::Own, "openid email",
        "Scopes asked of the identity provider, separated by spaces; they have to include openid.",
    )
    .code(Code::InvalidAuthentication)
    .default("openid")
    .on_service(OnService::Replaces);
    AUTH_SESSION_COOKIE: String = Setting::new(
        "auth-session-cookie", Rule, Grammar::CookieName, Merge::Own, "team-web-session",
        "Name of the cookie that keeps the session.",
    )
    .code(Code::InvalidAuthentication)
    .default("AWSELBAuthSessionCookie")
    .on_service(OnService::Replaces);
    AUTH_SESSION_TIMEOUT: i64 = Setting::new(
        "auth-session-timeout", Rule, Grammar::Int64 { min: 1, max: 604_800 }, Merge::Own, "86400",
        "How long a session lasts, in seconds, at most a week.",
    )
    .code(Code::InvalidAuthentication)
    .default("604800")
    .on_service(OnService::Replaces);
    JWT_VALIDATION: JwtValidation = Setting::new(
        "jwt-validation", Rule, Grammar::Json(&jwt::SHAPE), Merge::Own,
        r#"{"jwksEndpoint": "https://id.example.com/jwks.json", "issuer": "https://id.example.com"}"#,
        "Requires a valid JSON web token in the Authorization header, and claims if wanted. Only on HTTPS listeners, and not \
         together with `auth-type`.",
    )
    .code(Code::InvalidJwtValidation)
    .also(&[Code::ConflictingAuthentication, Code::UnfamiliarValue]);
}
