//! A stand-in for a Service: connections to one address reach the replicas that are listed, in turn.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub struct Service {
    address: SocketAddr,
    replicas: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Service {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a Service without a port")?;
        let (address, replicas) = (listener.local_addr()?, Arc::new(Mutex::new(Vec::<String>::new())));
        let task = tokio::spawn(serve(listener, Arc::clone(&replicas)));
        Ok(Self { address, replicas, task })
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// New connections go to these; those that are open stay where they are.
    pub fn set(&self, replicas: Vec<String>) {
        *self.replicas.lock().unwrap_or_else(PoisonError::into_inner) = replicas;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, replicas: Arc<Mutex<Vec<String>>>) {
    let mut turn = 0;
    while let Ok((mut client, _)) = listener.accept().await {
        turn += 1;
        let chosen = {
            let replicas = replicas.lock().unwrap_or_else(PoisonError::into_inner);
            replicas.get(turn % replicas.len().max(1)).cloned()
        };
        tokio::spawn(async move {
            let Some(chosen) = chosen else { return };
            if let Ok(mut replica) = TcpStream::connect(chosen).await {
                // A connection that is cut is what its ends see of it.
                drop(tokio::io::copy_bidirectional(&mut client, &mut replica).await);
            }
        });
    }
}
