//! What containers do, by the name of their image. An image that is not in the table does nothing: its Pods run, and nobody answers.

use k8s_openapi::api::core::v1::Pod;

/// An image that answers with what it was asked. On SIGTERM it accepts nothing new and finishes what runs.
pub const ECHO: &str = "testenv.albedo.dev/echo";
/// The same; on SIGTERM it ends at once, and what runs is cut.
pub const ECHO_EXITS: &str = "testenv.albedo.dev/echo-exits";
/// The same; it ignores SIGTERM, and runs until its grace period is over.
pub const ECHO_IGNORES: &str = "testenv.albedo.dev/echo-ignores";
/// The image of `examples/2048.yaml`.
const GAME: &str = "public.ecr.aws/l6m2t8p7/docker-2048";

/// What an image answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Who it is and what it was asked, as JSON.
    Echo,
    /// The page of the game 2048 at `/`.
    Game,
}

/// What SIGTERM does to its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSigterm {
    /// It accepts nothing new, finishes what runs, and ends.
    Finish,
    /// It ends at once.
    Exit,
    /// Nothing.
    Ignore,
}

#[derive(Debug)]
pub(crate) struct Image {
    name: &'static str,
    pub(crate) content: Content,
    pub(crate) on_sigterm: OnSigterm,
}

const IMAGES: [Image; 4] = [
    Image { name: ECHO, content: Content::Echo, on_sigterm: OnSigterm::Finish },
    Image { name: ECHO_EXITS, content: Content::Echo, on_sigterm: OnSigterm::Exit },
    Image { name: ECHO_IGNORES, content: Content::Echo, on_sigterm: OnSigterm::Ignore },
    // nginx without a stop signal of its own: SIGTERM is its fast shutdown.
    Image { name: GAME, content: Content::Game, on_sigterm: OnSigterm::Exit },
];

/// The row of an image, whatever its tag or digest.
pub(crate) fn image(name: &str) -> Option<&'static Image> {
    let name = name.split('@').next().unwrap_or_default();
    let slash = name.rfind('/').map_or(0, |slash| slash + 1);
    let (registry, rest) = name.split_at_checked(slash)?;
    let tagless = rest.split(':').next().unwrap_or_default();
    IMAGES.iter().find(|image| image.name.strip_prefix(registry) == Some(tagless))
}

/// Whether a container of the Pod answers requests.
pub(crate) fn is_served(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.filter_map(|container| container.image.as_deref()).any(|name| image(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_with_any_tag() {
        for tag in ["", ":v2", "@sha256:00", ":v2@sha256:00"] {
            assert_eq!(image(&format!("{ECHO}{tag}")).map(|image| image.name), Some(ECHO), "{tag}");
        }
        assert_eq!(image("public.ecr.aws/l6m2t8p7/docker-2048:latest").map(|image| image.content), Some(Content::Game));
        for other in ["none", "", "testenv.albedo.dev/echoes", "echo", "other/echo", "testenv.albedo.dev:5000/echo"] {
            assert!(image(other).is_none(), "{other}");
        }
    }
}
