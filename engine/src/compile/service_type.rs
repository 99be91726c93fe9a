//! Services that cannot have targets of the target type: each kind of Service with the fix that helps it.

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::Compiler;
use crate::annotation::catalogue::TARGET_TYPE;
use crate::annotation::{PREFIX, Resolved, Source};
use crate::finding::{Code, Effect, Finding, ObjectRef};
use crate::stack::TargetType;

impl Compiler<'_> {
    /// An `ExternalName` Service is an alias in DNS: Kubernetes makes no endpoints for it, and no target is ever registered.
    pub(super) fn check_external_name(&mut self, object: &Service, service: &str, at: &str) {
        let spec = object.spec.as_ref().filter(|spec| is_external_name(spec));
        let Some(name) = spec.map(|spec| spec.external_name.clone().unwrap_or_default()) else { return };
        let message = format!(
            "Service {} is ExternalName ({name}): it has no endpoints, so that no target is ever registered and requests get 503",
            self.service_key(service)
        );
        let finding = self.mismatch(service, at, message);
        // The target group is made all the same, as LBC makes it.
        finding.effect = Effect::Nothing;
        finding.fix = format!(
            "name a Service with a selector or with EndpointSlices of its own, or redirect to {name} with an action ({PREFIX}actions.NAME)"
        );
    }

    /// The port of a Service that targets of this type cannot be reached by.
    pub(super) fn without_target_port(
        &mut self,
        object: &Service,
        service: &str,
        target_type: Resolved<TargetType>,
        at: &str,
    ) {
        let key = self.service_key(service);
        let spec = object.spec.clone().unwrap_or_default();
        let kind = spec.type_.clone().unwrap_or_else(|| "ClusterIP".to_owned());
        let headless = spec.cluster_ip.as_deref() == Some("None");
        let (origin, change) = self.target_type_origin(target_type.source);
        let message = match target_type.value {
            // It is told already, and another target type does not help it.
            TargetType::Instance if self.external_name_is_fatal(service, at) => return,
            TargetType::Instance if headless => {
                format!("Service {key} is headless and has no NodePort, which target type instance ({origin}) needs")
            }
            TargetType::Instance => {
                format!("Service {key} is {kind} and has no NodePort, which target type instance ({origin}) needs")
            }
            TargetType::Ip => format!("Service {key} has no target port"),
        };
        let fix = match (target_type.value, kind.as_str()) {
            (TargetType::Ip, _) => format!("give the port of Service {} a targetPort from 1 to 65535", key.name),
            // A headless Service cannot be NodePort: the API server refuses it.
            (_, _) if headless => change.clone(),
            (_, "LoadBalancer") => {
                format!("{change}, or let Service {} have NodePorts: allocateLoadBalancerNodePorts: true", key.name)
            }
            _ => format!("{change}, or type: NodePort on Service {}", key.name),
        };
        self.mismatch(service, at, message).fix = fix;
    }

    fn mismatch(&mut self, service: &str, at: &str, message: String) -> &mut Finding {
        let key = self.service_key(service);
        let finding = self.reader.report(Code::ServiceTypeMismatch, format!("{at}.name"), message);
        finding.value = Some(key.name.clone());
        finding.related = vec![ObjectRef::new("Service", &key.namespace, &key.name)];
        finding
    }

    /// Whether it was told that the Service is an alias, so that no more has to be said: then no target group can be made either.
    pub(super) fn external_name_is_fatal(&mut self, service: &str, at: &str) -> bool {
        let path = format!("{at}.name");
        let told = self.reader.findings.iter_mut().find(|finding| {
            finding.code == Code::ServiceTypeMismatch
                && finding.path.0 == path
                && finding.value.as_deref() == Some(service)
        });
        told.map(|told| told.effect = Effect::MemberQuarantined).is_some()
    }

    /// Where the target type comes from, and how to have another one there.
    fn target_type_origin(&self, source: Source) -> (&'static str, String) {
        let key = TARGET_TYPE.row.full_key();
        let on_ingress = format!("set {key}: ip on the Ingress");
        match source {
            Source::Class => {
                let name = self.params.as_ref().and_then(|params| params.metadata.name.as_deref()).unwrap_or_default();
                let change =
                    format!("use a class whose IngressClassParams (here {name}) say target-type: ip, or leave it open");
                ("from the class's parameters", change)
            }
            Source::Service => ("from the Service's annotation", format!("set {key}: ip on the Service")),
            Source::Injected => ("the default, written when the Ingress was created", on_ingress),
            Source::Ingress => ("from the Ingress's annotation", on_ingress),
            Source::Flag | Source::Default => ("from the flag --default-target-type", on_ingress),
        }
    }
}

fn is_external_name(spec: &ServiceSpec) -> bool {
    spec.type_.as_deref() == Some("ExternalName")
}
