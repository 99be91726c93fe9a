//! What a member says of its place in the group, and of tags.

use k8s_openapi::api::core::v1::Service;

use super::Compiler;
use super::reader::FaultReporting;
use crate::annotation::catalogue::{GROUP_ORDER, TAGS};
use crate::annotation::{SettingRow, SettingValue};
use crate::stack::Tags;

impl Compiler<'_> {
    pub(super) fn order(&mut self) -> i32 {
        self.resolve(&GROUP_ORDER).map(|order| order.value).unwrap_or_default()
    }

    /// The tags of a resource of this member, tracking and default ones aside: parameters, Service, Ingress.
    pub(super) fn tags_of(&mut self, service: Option<&Service>) -> Tags {
        const ROW: &SettingRow = &TAGS.row;
        let of_service = service.and_then(|service| service.metadata.annotations.as_ref());
        let resolved = self.resolve_row(ROW, ROW.key, of_service, FaultReporting::Full).ok().flatten();
        let tags = resolved.and_then(|tags| Tags::from_value(&tags.value)).unwrap_or_default();
        for key in tags.keys().filter(|key| self.context.settings.external_managed_tags.contains(key)) {
            self.reader.external_tag(key);
        }
        tags
    }
}
