//! Clinicians and their logins on the wire.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{PASSWORD_CHARS, Role, is_fit};
use crate::domain::id::ClinicianName;
use crate::domain::time::Timestamp;
use crate::http::problem::FieldError;
use crate::store::{Clinician, Credential};

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Login)]
pub struct LoginBody {
    pub name: String,
    #[schema(value_type = String)]
    pub password: SecretString,
    /// Without it, the default one.
    pub organisation: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoggedIn)]
pub struct LoggedInBody {
    pub organisation: String,
    pub name: String,
    pub role: Role,
    /// Goes into `X-CSRF-Token` with everything but reading.
    pub csrf_token: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Its end when it is not used for so long.
    pub idle_seconds: Option<u64>,
}

impl LoggedInBody {
    pub fn of(login: &Credential, csrf_token: String) -> Self {
        Self {
            organisation: login.org.as_str().to_owned(),
            name: login.clinician.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default(),
            role: login.role,
            csrf_token,
            expires_at: login.ends_at,
            idle_seconds: login.idle.map(|idle| idle.as_secs()),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoggedOut)]
pub struct LoggedOutBody {
    pub logged_out: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ChangePassword)]
pub struct PasswordBody {
    #[schema(value_type = String)]
    pub password: SecretString,
    #[schema(value_type = String, min_length = 12, max_length = 256)]
    pub new_password: SecretString,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AddClinician)]
pub struct AddClinicianBody {
    /// 1 to 64 letters, digits and `_ . - @`; capitals are read as small letters.
    pub name: String,
    /// `clinician`, by default, or `admin`.
    pub role: Option<Role>,
    /// Without it one is made and shown once.
    #[schema(value_type = Option<String>, min_length = 12, max_length = 256)]
    pub password: Option<SecretString>,
    /// Another organisation than the caller's own, for whoever runs the server.
    pub organisation: Option<String>,
}

impl AddClinicianBody {
    /// The name and the role, where everything fits.
    pub fn checked(&self) -> Result<(ClinicianName, Role), FieldError> {
        let fault = |field: &str, message: String| FieldError { field: field.to_owned(), message };
        let name = ClinicianName::parse(&self.name).map_err(|error| fault("name", error.to_string()))?;
        let role = self.role.unwrap_or(Role::Clinician);
        if !matches!(role, Role::Clinician | Role::Admin) {
            return Err(fault("role", "must be clinician or admin".to_owned()));
        }
        if self.password.as_ref().is_some_and(|password| !is_fit(password)) {
            return Err(password_fault("password"));
        }
        Ok((name, role))
    }
}

/// Why a password does not fit, without it.
pub fn password_fault(field: &str) -> FieldError {
    let (least, most) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    FieldError { field: field.to_owned(), message: format!("must have {least} to {most} characters") }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = ResetPassword)]
pub struct ResetBody {
    /// Without it one is made and shown once.
    #[schema(value_type = Option<String>, min_length = 12, max_length = 256)]
    pub password: Option<SecretString>,
    /// Another organisation than the caller's own, for whoever runs the server.
    pub organisation: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AddedClinician)]
pub struct AddedClinicianBody {
    /// Where it was made: shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[serde(flatten)]
    pub about: ClinicianBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Clinician)]
pub struct ClinicianBody {
    pub name: String,
    pub role: Role,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl ClinicianBody {
    pub fn of(clinician: &Clinician) -> Self {
        Self { name: clinician.name.as_str().to_owned(), role: clinician.role, created_at: clinician.made_at }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Clinicians)]
pub struct CliniciansBody {
    pub clinicians: Vec<ClinicianBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Removed)]
pub struct RemovedBody {
    pub removed: bool,
}
