use std::fmt;

/// What is asked of Vault; the label `operation` of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the API names them")]
#[non_exhaustive]
pub enum Operation {
    Login,
    Health,
    TokenLookup,
    TokenRenew,
    TokenRevoke,
    LeaseLookup,
    LeaseRenew,
    LeaseRevoke,
    KvRead,
    KvWrite,
    KvPatch,
    DatabaseCreds,
    DatabaseStaticCreds,
    PkiIssue,
    PkiSign,
}

impl Operation {
    /// As metrics show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Health => "health",
            Self::TokenLookup => "token_lookup",
            Self::TokenRenew => "token_renew",
            Self::TokenRevoke => "token_revoke",
            Self::LeaseLookup => "lease_lookup",
            Self::LeaseRenew => "lease_renew",
            Self::LeaseRevoke => "lease_revoke",
            Self::KvRead => "kv_read",
            Self::KvWrite => "kv_write",
            Self::KvPatch => "kv_patch",
            Self::DatabaseCreds => "database_creds",
            Self::DatabaseStaticCreds => "database_static_creds",
            Self::PkiIssue => "pki_issue",
            Self::PkiSign => "pki_sign",
        }
    }

    /// Whether each call makes something new in Vault: a token, a lease, a certificate, a version.
    #[must_use]
    pub(crate) const fn creates(self) -> bool {
        matches!(
            self,
            Self::Login
                | Self::KvWrite
                | Self::KvPatch
                | Self::DatabaseCreds
                | Self::PkiIssue
                | Self::PkiSign
        )
    }

    /// Whether Vault itself asks somebody else for it: the database that an engine makes users in. A 500 may be that one's
    /// failure, and Vault be well.
    #[must_use]
    pub(crate) const fn needs_another(self) -> bool {
        matches!(self, Self::DatabaseCreds | Self::DatabaseStaticCreds | Self::LeaseRenew | Self::LeaseRevoke)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
