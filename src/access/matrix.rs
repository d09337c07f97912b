//! Who may do what: one table, by which the routes are guarded and of which the documentation is made.
//!
//! A route cannot be served without its operation, and what no row grants is refused.

use std::fmt::Write as _;

use super::role::Role;

/// What a role may do with what is its own. Of what is another's it learns nothing: unknown and foreign are answered alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    No,
    /// With its own session, or with its organisation's.
    Own,
}

impl Grant {
    const fn as_str(self) -> &'static str {
        match self {
            Self::No => "-",
            Self::Own => "own",
        }
    }
}

/// The grants of the four roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grants {
    client: Grant,
    app: Grant,
    clinician: Grant,
    admin: Grant,
}

impl Grants {
    #[must_use]
    pub const fn of(self, role: Role) -> Grant {
        match role {
            Role::Client => self.client,
            Role::App => self.app,
            Role::Clinician => self.clinician,
            Role::Admin => self.admin,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Without a credential.
    Anyone,
    Roles(Grants),
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub method: &'static str,
    /// Without `/api/v1`.
    pub path: &'static str,
    pub access: Access,
}

macro_rules! operations {
    ($($name:ident: $method:literal $path:literal => $access:expr;)*) => {
        /// Everything that can be asked of a server.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($name),*
        }

        impl Operation {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As the audit calls it: the name in small letters.
            #[must_use]
            pub fn name(self) -> String {
                match self {
                    $(Self::$name => in_small_letters(stringify!($name))),*
                }
            }

            #[must_use]
            pub const fn row(self) -> Row {
                match self {
                    $(Self::$name => Row { method: $method, path: $path, access: $access }),*
                }
            }
        }
    };
}

/// `ReadHistory` as `read_history`.
fn in_small_letters(name: &str) -> String {
    let mut small = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !small.is_empty() {
            small.push('_');
        }
        small.push(letter.to_ascii_lowercase());
    }
    small
}

/// What the audit is told of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    No,
    /// Who reads it, where that is a clinician or an admin.
    Read,
    /// Who asks for it, whoever that is.
    Change,
}

/// Roles in the order of the table: client, app, clinician, admin.
const fn roles(client: Grant, app: Grant, clinician: Grant, admin: Grant) -> Access {
    Access::Roles(Grants { client, app, clinician, admin })
}

const NO: Grant = Grant::No;
const OWN: Grant = Grant::Own;
const ANYONE: Access = Access::Anyone;

operations! {
    CreateSession: "POST" "/session/create" => roles(NO, OWN, NO, NO);
    Input: "POST" "/input" => roles(OWN, OWN, NO, NO);
    SessionInput: "POST" "/session/{id}/input" => roles(OWN, OWN, NO, NO);
    Connect: "GET" "/ws/chat/" => roles(OWN, OWN, NO, NO);
    HearAlerts: "GET" "/ws/alerts/" => roles(NO, NO, OWN, NO);
    StopTurn: "DELETE" "/session/{id}/turn" => roles(OWN, OWN, NO, NO);
    ReadTurn: "GET" "/session/{id}/turn/{n}" => roles(OWN, OWN, OWN, NO);
    ReadSession: "GET" "/session/{id}" => roles(OWN, OWN, OWN, NO);
    ReadStatus: "GET" "/session/{id}/status" => roles(OWN, OWN, OWN, NO);
    ReadHistory: "GET" "/session/{id}/history" => roles(OWN, OWN, OWN, NO);
    FollowSession: "GET" "/session/{id}/events" => roles(OWN, OWN, OWN, NO);
    Extend: "POST" "/session/{id}/extend" => roles(NO, OWN, OWN, NO);
    Pause: "POST" "/session/{id}/pause" => roles(OWN, OWN, OWN, NO);
    Resume: "POST" "/session/{id}/resume" => roles(OWN, OWN, OWN, NO);
    Complete: "POST" "/session/{id}/complete" => roles(OWN, OWN, NO, NO);
    Erase: "DELETE" "/session/{id}" => roles(OWN, OWN, NO, NO);
    Report: "POST" "/session/{id}/report" => roles(OWN, OWN, NO, NO);
    ReadSessionConsent: "GET" "/session/{id}/consent" => roles(OWN, OWN, OWN, NO);
    GiveConsent: "POST" "/session/{id}/consent" => roles(OWN, OWN, NO, NO);
    WithdrawConsent: "DELETE" "/session/{id}/consent" => roles(OWN, OWN, NO, NO);
    Clear: "POST" "/session/{id}/clear" => roles(NO, NO, OWN, NO);
    AddNote: "POST" "/session/{id}/notes" => roles(NO, NO, OWN, NO);
    ReadNotes: "GET" "/session/{id}/notes" => roles(NO, NO, OWN, NO);
    Export: "GET" "/session/{id}/export" => roles(OWN, OWN, OWN, NO);
    MintToken: "POST" "/session/{id}/tokens" => roles(NO, OWN, NO, NO);
    RevokeTokens: "DELETE" "/session/{id}/tokens" => roles(OWN, OWN, NO, NO);
    RefreshToken: "POST" "/session/{id}/tokens/refresh" => roles(OWN, NO, NO, NO);
    MintTicket: "POST" "/session/{id}/ticket" => roles(OWN, OWN, NO, NO);
    ReadChat: "GET" "/api/sessions/{id}/" => roles(OWN, OWN, OWN, NO);
    ReadChatMessages: "GET" "/api/sessions/{id}/messages/" => roles(OWN, OWN, OWN, NO);
    ExtendChat: "POST" "/api/sessions/{id}/extend/" => roles(NO, OWN, OWN, NO);
    EraseChat: "DELETE" "/api/sessions/{id}/" => roles(OWN, OWN, NO, NO);
    DeleteChat: "DELETE" "/api/sessions/{id}/delete/" => roles(OWN, OWN, NO, NO);
    Broadcast: "POST" "/api/broadcast/" => roles(NO, NO, NO, OWN);
    ListSessions: "GET" "/sessions" => roles(NO, OWN, OWN, NO);
    FollowEvents: "GET" "/events" => roles(NO, OWN, OWN, NO);
    ListAlerts: "GET" "/alerts" => roles(NO, NO, OWN, NO);
    OwnAlert: "POST" "/alerts/{id}/own" => roles(NO, NO, OWN, NO);
    AcknowledgeAlert: "POST" "/alerts/{id}/acknowledge" => roles(NO, NO, OWN, NO);
    TestAlerts: "POST" "/alerts/test" => roles(NO, NO, NO, OWN);
    ReadDailyCounters: "GET" "/analytics/daily" => roles(NO, NO, OWN, OWN);
    ReadYearlyCounters: "GET" "/analytics/yearly" => roles(NO, NO, OWN, OWN);
    CreateKey: "POST" "/keys" => roles(NO, NO, NO, OWN);
    ListKeys: "GET" "/keys" => roles(NO, NO, NO, OWN);
    RevokeKey: "DELETE" "/keys/{id}" => roles(NO, NO, NO, OWN);
    AddClinician: "POST" "/clinicians" => roles(NO, NO, NO, OWN);
    ListClinicians: "GET" "/clinicians" => roles(NO, NO, NO, OWN);
    ResetClinician: "POST" "/clinicians/{name}/reset" => roles(NO, NO, NO, OWN);
    RemoveClinician: "DELETE" "/clinicians/{name}" => roles(NO, NO, NO, OWN);
    LogIn: "POST" "/login" => ANYONE;
    LogOut: "POST" "/logout" => roles(NO, NO, OWN, OWN);
    ChangePassword: "POST" "/password" => roles(NO, NO, OWN, OWN);
    ReadAudit: "GET" "/audit" => roles(NO, NO, NO, OWN);
    VerifyAudit: "GET" "/audit/verify" => roles(NO, NO, NO, OWN);
    ReadRetention: "GET" "/retention" => roles(NO, NO, NO, OWN);
    Purge: "POST" "/purge" => roles(NO, NO, NO, OWN);
    SwitchStore: "POST" "/store/{mode}" => roles(NO, NO, NO, OWN);
    ReadCaller: "GET" "/caller" => roles(OWN, OWN, OWN, OWN);
    ReadMetrics: "GET" "/metrics" => roles(NO, NO, NO, OWN);
    ReadConsentText: "GET" "/consent" => ANYONE;
    ReadResources: "GET" "/resources" => ANYONE;
    ReadHealth: "GET" "/health" => ANYONE;
    ReadRedisStatus: "GET" "/api/redis/status/" => ANYONE;
    ReadLiveness: "GET" "/livez" => ANYONE;
    ReadReadiness: "GET" "/readyz" => ANYONE;
    ReadStatement: "GET" "/.well-known/crisis-protocol" => ANYONE;
    ReadDescription: "GET" "/openapi.json" => ANYONE;
    ReadApiPage: "GET" "/docs" => ANYONE;
    ReadHome: "GET" "/" => ANYONE;
}

impl Operation {
    /// A client's own words, and what its app does for them; who one is; figures.
    const UNWATCHED: [Self; 10] = [
        Self::CreateSession,
        Self::Input,
        Self::SessionInput,
        Self::Connect,
        Self::StopTurn,
        Self::Report,
        Self::RefreshToken,
        Self::MintTicket,
        Self::ReadCaller,
        Self::ReadMetrics,
    ];

    /// The roles that may, as they are told to one who may not.
    #[must_use]
    pub fn roles(self) -> String {
        let may = |role: &Role| match self.row().access {
            Access::Anyone => true,
            Access::Roles(grants) => grants.of(*role) != Grant::No,
        };
        let names: Vec<&str> = Role::ALL.iter().filter(|role| may(role)).map(|role| role.as_str()).collect();
        names.join(", ")
    }

    /// Whether it is given what a person says.
    #[must_use]
    pub const fn takes_words(self) -> bool {
        matches!(self, Self::Input | Self::SessionInput)
    }

    /// Whether it goes on while the store of credentials is away, for whom this server knows: to speak in and to read one's
    /// own sessions, and to end the outage by hand.
    #[must_use]
    pub const fn goes_on_locally(self) -> bool {
        matches!(
            self,
            Self::Input
                | Self::SessionInput
                | Self::StopTurn
                | Self::ReadTurn
                | Self::ReadSession
                | Self::ReadStatus
                | Self::ReadHistory
                | Self::Connect
                | Self::SwitchStore
        )
    }

    /// Whether it ends credentials: the one that its path names, or those of the session.
    #[must_use]
    pub const fn ends_credentials(self) -> bool {
        matches!(
            self,
            Self::RevokeKey
                | Self::RevokeTokens
                | Self::RefreshToken
                | Self::Erase
                | Self::EraseChat
                | Self::DeleteChat
        )
    }

    #[must_use]
    pub fn watch(self) -> Watch {
        let row = self.row();
        // All of a person in one answer: whoever asks for that is written down.
        if self == Self::Export {
            return Watch::Change;
        }
        if row.access == Access::Anyone || Self::UNWATCHED.contains(&self) {
            return Watch::No;
        }
        if row.method == "GET" { Watch::Read } else { Watch::Change }
    }
}

/// The table as the documentation shows it.
#[must_use]
pub fn markdown() -> String {
    let mut table = "| operation | client | app | clinician | admin |\n|---|---|---|---|---|\n".to_owned();
    for row in Operation::ALL.iter().map(|operation| operation.row()) {
        let _ = write!(table, "| {} `{}` |", row.method, row.path);
        match row.access {
            Access::Anyone => table.push_str(" anyone | anyone | anyone | anyone |\n"),
            Access::Roles(grants) => {
                for role in Role::ALL {
                    let _ = write!(table, " {} |", grants.of(role).as_str());
                }
                table.push('\n');
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_operations_share_a_method_and_a_path() {
        let rows = Operation::ALL.iter().map(|operation| (operation.row().method, operation.row().path));
        assert_eq!(rows.collect::<std::collections::BTreeSet<_>>().len(), Operation::ALL.len());
    }

    #[test]
    fn no_role_may_do_nothing_and_none_everything() {
        for role in Role::ALL {
            let granted = |operation: &&Operation| match operation.row().access {
                Access::Anyone => false,
                Access::Roles(grants) => grants.of(role) != Grant::No,
            };
            let count = Operation::ALL.iter().filter(granted).count();
            assert!(count > 0 && count < Operation::ALL.len(), "{role:?}");
        }
    }
}
