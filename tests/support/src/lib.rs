//! The test environment the tests stand on: a real Kubernetes control plane, an AWS emulator, cert-manager, a stand-in for kubelet, Albedo itself.
//!
//! [`TestEnv`] starts one control plane and one emulator for a whole run; [`TestEnv::scope`] gives a test a namespace, an AWS
//! region and names of its own in them, so that tests run side by side. Everything below can be used alone too:
//!
//! | | |
//! |---|---|
//! | [`ControlPlane`] | etcd, kube-apiserver, kube-controller-manager on loopback, own CA, admin's kubeconfig |
//! | [`Emulator`] | AWS over HTTP, one world a region, with a control API for seeding, faults and reading what is there |
//! | [`Gate`] | stands before both of them, counts what is written, and keeps back an answer |
//! | [`Frozen`] | a cluster and its AWS as somebody else left them |
//! | [`CertManager`] | cert-manager's controllers and CA injector |
//! | [`Kubelet`] | schedules pods onto made-up nodes and says that they run; those of some images answer requests |
//! | [`NodePorts`] | forwards node ports of a namespace's Services to their Pods |
//! | [`Load`] | sends requests at a fixed rate, and counts those that fail or go to somebody else |
//! | [`ProgramPods`] | runs Pods of one image as processes |
//! | [`ClusterIps`] | forwards connections to Services |
//! | [`SecretMount`] | a Secret as files, refreshed the way a kubelet does it |
//! | [`Albedo`] | the program under test as a process |
//! | [`Process`] | what all of them are: a child that never outlives its parent, and whose log is at hand when it fails |
//!
//! Executables come from `tests/test_env.sh`, which builds them once into a cache. A client from here belongs to the tokio
//! runtime that made it: run all tests of a binary on one runtime.
#![forbid(unsafe_code)]
#![expect(clippy::missing_errors_doc, reason = "every error says what was being started and shows the end of its log")]
#![expect(clippy::must_use_candidate, reason = "readers for tests")]

mod account;
mod albedo;
mod aws_state;
mod binaries;
mod certmanager;
mod clock;
mod cluster_ips;
mod controlplane;
mod emulator;
mod frozen;
mod gate;
mod images;
mod kubelet;
mod mapped;
mod memory;
mod mount;
mod net;
mod node_ports;
mod picture;
mod pki;
mod pod_life;
mod pod_server;
mod pods;
mod probe;
mod process;
mod program_pods;
mod refusal;
mod rights;
mod test_env;
mod traffic;
mod wait;

pub use account::{ACCOUNT, MANIFESTS, shipped, shipped_objects};
pub use albedo::{Albedo, Launch};
pub use aws_state::{
    Call, Listener, LoadBalancer, Node, Rule, SecurityGroup, State, Subnet, Target, TargetGroup, World,
};
pub use binaries::Binaries;
pub use certmanager::CertManager;
pub use clock::Clock;
pub use cluster_ips::ClusterIps;
pub use controlplane::{AUDIT, AUDITED_USER, ControlPlane, ControlPlaneBuilder, OBSERVED_USER};
pub use emulator::{CALLS, Emulator};
pub use frozen::{Counts, Frozen, Label};
pub use gate::{Cutter, Gate, Trip};
pub use images::{ECHO, ECHO_EXITS, ECHO_IGNORES};
pub use kubelet::{Kubelet, NodeSpec};
pub use mapped::{mapped, mapped_socket};
pub use memory::Limited;
pub use mount::SecretMount;
pub use net::{free_port, http_get, http_post};
pub use node_ports::NodePorts;
pub use pki::{Authority, Pair};
pub use pod_server::{IMAGE_HEADER, NAMESPACE_HEADER, POD_HEADER, SERVICE_HEADER};
pub use pods::{HOLD, READY};
pub use process::{Process, Signal};
pub use program_pods::{Program, ProgramPods};
pub use refusal::{How, Often, Refusal, Which};
pub use rights::{Reviewed, UsedRights, granted_by_roles, missing, refused_in_aws, unused};
pub use test_env::{Scope, TestEnv};
pub use traffic::{Answer, Asked, Connector, Failure, Load, Tally, trusting};
pub use wait::{eventually, settled};
