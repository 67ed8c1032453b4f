//! `svidgate dev`: a SPIFFE trust domain inside one process, **for development only**.
//!
//! It issues JWT-SVIDs and X.509-SVIDs and serves the SPIFFE Workload API on a socket, so that the same code runs
//! against it as against SPIRE with nothing installed. What it does not do: it attests nobody (whoever may open the
//! socket gets every registered identity), it keeps its keys in memory only (a restart is a new trust domain), and its
//! `mint` signs whatever the operator asks for. The permissions of the sockets are the whole of its access control:
//! both are 0600 by default, which keeps other users out as well as a comparison of peer uids would.
//!
//! The way of a request: `service` (or `validate`) → `issuer` → `authority` (JWT) or `x509`. The way of an operator's
//! command: `command` → `admin::client` → socket → `admin::server` → `issuer`, which tells every open stream.

mod admin;
mod authority;
mod command;
mod entry;
mod issuer;
mod key;
mod server;
mod service;
mod validate;
mod x509;

pub use authority::{AuthorityError, JwtAuthority, KeyState};
pub use command::{DevCommand, run};
pub use entry::{Entry, EntryError};
pub use issuer::{Clock, Domain, Domains, Issuer, IssuerError, KeyStatus, Mint, Phase, Revoke, Settings};
pub use key::{JwtKey, KeyError, KeyType, SvidClaims};
pub use server::{
    DEFAULT_SOCKET_MODE, DEFAULT_TTL, Options, StartError, TrustDomainServer, admin_socket_beside,
};
pub use x509::{X509Authority, X509Error, X509Svid};
