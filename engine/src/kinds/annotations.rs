//! The size of the annotations of an object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The most bytes of all annotations of an object together, keys and values. Kubernetes refuses more (`TotalAnnotationSizeLimitB`):
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/>.
pub const MAX_ANNOTATION_BYTES: usize = 256 * 1024;

/// Bytes of all annotations of an object together, keys and values.
#[must_use]
pub fn annotation_bytes(meta: &ObjectMeta) -> usize {
    meta.annotations.iter().flatten().map(|(key, value)| key.len() + value.len()).sum()
}
