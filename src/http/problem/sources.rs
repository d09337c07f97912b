//! Which problem stands for what a layer below refused, or could not do.

use std::time::Duration;

use actix_web::http::header::HeaderMap;

use super::{Code, FieldError, Problem, write_quota};
use crate::domain::quota::Quota;
use crate::domain::session::Refusal;
use crate::http::credentials::unauthorized;
use crate::store::StoreError;
use crate::turn::Refused;

impl Problem {
    /// Whether the store did not do its work, so that nothing is known.
    pub fn is_of_store(&self) -> bool {
        matches!(self.code, Code::StoreUnavailable | Code::ShuttingDown)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Away(_) | StoreError::Stopped(_) => {
                Self::new(Code::StoreUnavailable, "the store does not answer")
                    .retry_after(Duration::from_secs(1))
            }
            StoreError::Closed => Self::new(Code::ShuttingDown, "try another server, or this one again")
                .retry_after(Duration::from_secs(1)),
            StoreError::Corrupt(_) => Self::new(Code::Internal, "stored data cannot be read"),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(Code::Lifecycle, refusal.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::TextTooLong => {
                let errors = vec![FieldError { field: "user_input".to_owned(), message: detail.clone() }];
                Self { errors, ..Self::new(Code::TextTooLong, detail) }
            }
            Refused::Limited(quota) => {
                with_quota(Self::new(Code::RateLimited, detail).retry_after(quota.reset), quota)
            }
            Refused::Busy { retry_after } => Self::new(Code::Busy, detail).retry_after(retry_after),
            Refused::QueueFull { retry_after } => Self::new(Code::QueueFull, detail).retry_after(retry_after),
            Refused::KeyReused => Self::new(Code::IdempotencyKeyReused, detail),
            Refused::Deadline => Self::new(Code::Deadline, detail).retry_after(Duration::from_secs(1)),
            Refused::Stopped => Self::new(Code::Stopped, detail),
            Refused::Revoked => unauthorized(&detail),
            Refused::ConsentRequired => Self::new(Code::ConsentRequired, detail),
            Refused::Unavailable(_) => Self::new(Code::UnavailableHere, detail),
            Refused::Store(error) => error.into(),
            Refused::Failed => Self::new(Code::Internal, "the turn failed; nothing of it is stored"),
        }
    }
}

fn with_quota(mut problem: Problem, quota: Quota) -> Problem {
    let mut headers = HeaderMap::new();
    write_quota(&mut headers, quota);
    problem.headers.extend(headers);
    problem
}
