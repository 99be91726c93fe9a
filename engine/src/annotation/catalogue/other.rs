//! Keys of other domains: the class as it was named once, and Albedo's own.

use crate::annotation::row::{Grammar, Merge, Scope, SettingRow};
use crate::annotation::setting::Setting;
use crate::finding::Code;
use Scope::{Ingress, Output};

/// What Albedo's own keys begin with.
const OWN: &str = "albedo.dev/";

settings! { OTHER_ROWS:
    INGRESS_CLASS: String = Setting::new(
        "ingress.class", Ingress, Grammar::Text, Merge::Own, "alb",
        "The class of an Ingress as it was named before `spec.ingressClassName`, which it takes precedence over. It has to \
         be the word of `--ingress-class`; no IngressClass and no IngressClassParams is looked at then. Kubernetes refuses it \
         beside a different `spec.ingressClassName` when an Ingress is created.",
    )
    .of("kubernetes.io/")
    .code(Code::NotOurs);
    ALLOW_REPLACEMENT: String = Setting::new(
        "allow-replacement", Ingress, Grammar::OneOf(&["true"]), Merge::Own, "true",
        "Acknowledges that a change makes another load balancer with another DNS name, takes the frontend NLB away, or moves \
         the Ingress to another group's load balancer.",
    )
    .of(OWN)
    .code(Code::ReplacesLoadBalancer)
    .also(&[Code::RemovesFrontendNlb, Code::MovesToAnother]);
    RECONCILE_AT: String = Setting::new(
        "reconcile-at", Ingress, Grammar::Text, Merge::Own, "2026-11-29T06:00:00Z",
        "Every new value has everything of the group read from AWS at once, past what is remembered, and what differs put right. A time is \
         a good value: `kubectl annotate ingress NAME albedo.dev/reconcile-at=$(date +%s) --overwrite`.",
    )
    .of(OWN);
    DEFAULTED: String = Setting::new(
        "defaulted", Output, Grammar::Text, Merge::Own, "",
        "Written by admission: the keys, without their prefix, that it added as defaults.",
    )
    .of(OWN);
}
