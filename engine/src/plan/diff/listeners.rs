//! Listeners, their certificates and attributes; their rules go to [`Routing`].

use std::collections::BTreeSet;

use super::Differ;
use crate::plan::equal;
use crate::plan::operation::AwsOperation;
use crate::plan::rules::Routing;
use crate::plan::stage::Stage;
use crate::stack::{Attributes, Listener, ObservedListener, Protocol, Ref, ResourceId};

impl<'a> Differ<'a> {
    pub(super) fn listeners(&mut self, load_balancer: &Ref, observed: &[ObservedListener]) {
        let desired: Vec<&'a Listener> = self.input.desired.listeners.values().collect();
        for found in observed.iter().filter(|found| !desired.iter().any(|one| one.port == found.is.port)) {
            self.aws(Stage::Unlisten, AwsOperation::DeleteListener { listener: found.arn.clone() });
        }
        for listener in desired {
            match observed.iter().find(|found| found.is.port == listener.port) {
                None => self.create_listener(load_balancer, listener),
                Some(found) => self.update_listener(listener, found),
            }
        }
    }

    fn create_listener(&mut self, load_balancer: &Ref, listener: &Listener) {
        let reference = Ref::Of(ResourceId::listener(listener.port));
        let made = AwsOperation::CreateListener { load_balancer: load_balancer.clone(), is: listener.clone() };
        self.aws(Stage::Listeners, made);
        // The default certificate is added to the others too, so that its names are found by SNI.
        for certificate in listener.certificates.iter().collect::<BTreeSet<_>>() {
            self.add_certificate(Stage::Listeners, &reference, certificate);
        }
        self.modify_listener_attributes(Stage::Listeners, &reference, listener.attributes.clone());
        self.routing(listener, reference, None);
    }

    /// Sets the attributes that differ, of a listener of either load balancer.
    pub(super) fn modify_listener_attributes(&mut self, stage: Stage, listener: &Ref, attributes: Attributes) {
        if !attributes.is_empty() {
            let listener = listener.clone();
            self.aws(stage, AwsOperation::ModifyListenerAttributes { listener, attributes });
        }
    }

    fn update_listener(&mut self, listener: &Listener, found: &ObservedListener) {
        self.found.known.insert(ResourceId::listener(listener.port), found.arn.clone());
        self.retag(&found.arn, &listener.tags, &found.is.tags);
        let wanted: BTreeSet<&String> = listener.certificates.iter().collect();
        let there: BTreeSet<&String> = found.is.certificates.iter().skip(1).collect();
        let reference = Ref::Known(found.arn.clone());
        // Only a listener that is HTTPS by then takes certificates, and one that becomes HTTP loses them by itself.
        let stage = if found.is.protocol == Protocol::Https { Stage::Listeners } else { Stage::Unlisten };
        for certificate in wanted.difference(&there) {
            self.add_certificate(stage, &reference, certificate);
        }
        let attributes = equal::attributes(&listener.attributes, &found.is.attributes);
        self.modify_listener_attributes(Stage::Listeners, &reference, attributes);
        self.routing(listener, reference, Some(found));
        for certificate in there.difference(&wanted).filter(|_| listener.protocol == Protocol::Https) {
            let certificate = (*certificate).clone();
            let listener = found.arn.clone();
            self.aws(Stage::Unlisten, AwsOperation::RemoveListenerCertificate { listener, certificate });
        }
    }

    fn add_certificate(&mut self, stage: Stage, listener: &Ref, certificate: &str) {
        let (listener, certificate) = (listener.clone(), certificate.to_owned());
        self.aws(stage, AwsOperation::AddListenerCertificate { listener, certificate });
    }

    fn routing(&mut self, listener: &Listener, reference: Ref, found: Option<&ObservedListener>) {
        let routing = Routing::new(listener, reference, found, self.known());
        for (rule, found) in listener.rules.iter().zip(&routing.kept) {
            if let Some(found) = found.and_then(|index| routing.there.get(index))
                && rule.tags != found.is.tags
            {
                self.retag(&found.arn, &rule.tags.all(), &found.is.tags.all());
            }
        }
        if !routing.is_settled() {
            self.found.routing.push(routing);
        }
    }
}
