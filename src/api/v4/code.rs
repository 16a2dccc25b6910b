//! The numbers of errors and messages, in one table each: what a client can tell apart.
//!
//! Numbers that the original has are the original's. All but those of records are below 65536, since one of its clients
//! reads 16 bits; that client knows no records. Nothing is told with status 409: the official clients repeat such a request,
//! which cannot help.

use axum::http::StatusCode;

/// What is wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// There is no such object.
    NotFound,
    /// A value that is not allowed, in the body or among the parameters.
    Invalid,
    /// Another object has the name already.
    NotUnique,
    /// More objects than we take.
    TooMany,
    /// Others refer to the object.
    InUse,
    /// The object has changed since the client looked at it.
    Stale,
    /// A configuration file declares the object, and only there it can be changed.
    ReadOnly,
    /// The change cannot be kept: the disk is full, say.
    Unavailable,
    /// The body is larger than we take.
    TooLarge,
    /// The body is in another form than JSON.
    MediaType,
    /// The body took too long to arrive.
    BodyTimeout,
    /// The request took too long.
    Timeout,
    /// More requests at a time than we take.
    Overloaded,
    /// The body is no JSON.
    Malformed,
    /// There is nothing at this path.
    NoRoute,
    /// The bearer may not do this.
    Forbidden,
    /// Nobody whom we know.
    Unauthorized,
    /// The path is not for this method.
    Method,
    /// Too many failed authentications from one network.
    RateLimited,
    /// There is no such record in the zone.
    RecordMissing,
    /// The zone has the same record already.
    RecordExists,
    /// Something that should not happen.
    Internal,
}

impl Code {
    /// All of them, in order of their numbers.
    pub const ALL: [Self; 22] = [
        Self::Internal,
        Self::NotFound,
        Self::Invalid,
        Self::NotUnique,
        Self::TooMany,
        Self::InUse,
        Self::Stale,
        Self::ReadOnly,
        Self::Unavailable,
        Self::TooLarge,
        Self::MediaType,
        Self::BodyTimeout,
        Self::Timeout,
        Self::Overloaded,
        Self::Malformed,
        Self::NoRoute,
        Self::Forbidden,
        Self::Unauthorized,
        Self::Method,
        Self::RateLimited,
        Self::RecordMissing,
        Self::RecordExists,
    ];

    /// Its number in the body and the status of the response.
    const fn row(self) -> (u32, StatusCode) {
        match self {
            Self::Internal => (1000, StatusCode::INTERNAL_SERVER_ERROR),
            Self::NotFound => (1001, StatusCode::NOT_FOUND),
            Self::Invalid => (1002, StatusCode::BAD_REQUEST),
            Self::NotUnique => (1003, StatusCode::BAD_REQUEST),
            Self::TooMany => (1004, StatusCode::BAD_REQUEST),
            Self::InUse => (1005, StatusCode::PRECONDITION_FAILED),
            Self::Stale => (1006, StatusCode::PRECONDITION_FAILED),
            Self::ReadOnly => (1007, StatusCode::FORBIDDEN),
            Self::Unavailable => (1010, StatusCode::SERVICE_UNAVAILABLE),
            Self::TooLarge => (1011, StatusCode::PAYLOAD_TOO_LARGE),
            Self::MediaType => (1012, StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::BodyTimeout => (1013, StatusCode::REQUEST_TIMEOUT),
            Self::Timeout => (1014, StatusCode::GATEWAY_TIMEOUT),
            Self::Overloaded => (1015, StatusCode::SERVICE_UNAVAILABLE),
            Self::Malformed => (6007, StatusCode::BAD_REQUEST),
            Self::NoRoute => (7003, StatusCode::NOT_FOUND),
            Self::Forbidden => (9109, StatusCode::FORBIDDEN),
            Self::Unauthorized => (10000, StatusCode::UNAUTHORIZED),
            Self::Method => (10405, StatusCode::METHOD_NOT_ALLOWED),
            Self::RateLimited => (10429, StatusCode::TOO_MANY_REQUESTS),
            Self::RecordMissing => (81044, StatusCode::NOT_FOUND),
            Self::RecordExists => (81058, StatusCode::BAD_REQUEST),
        }
    }

    /// Its number in the body.
    pub const fn number(self) -> u32 {
        self.row().0
    }

    /// The status of the response.
    pub const fn status(self) -> StatusCode {
        self.row().1
    }

    /// Whether the same request may go well a little later.
    pub const fn is_passing(self) -> bool {
        matches!(
            self,
            Self::Unavailable
                | Self::BodyTimeout
                | Self::Timeout
                | Self::Overloaded
                | Self::RateLimited
                | Self::Internal
        )
    }

    /// Whether what was asked for may have been done, or may still be.
    pub const fn is_unsure(self) -> bool {
        matches!(self, Self::Unavailable | Self::Timeout | Self::Internal)
    }
}

/// What a response tells beside its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// A key of the body that nothing here has a use for.
    UnknownField,
    /// Something legal that is most likely a mistake.
    Warning,
    /// What is kept and no answer depends on yet.
    NoEffectYet,
    /// The change is kept, but was not in the answers yet when the wait for that ended.
    NotLiveYet,
    /// An object that refers to the one which was to be deleted.
    Referrer,
    /// Something that was done beside what the request said.
    Done,
}

impl Note {
    /// Its number.
    pub const fn number(self) -> u32 {
        match self {
            Self::UnknownField => 1100,
            Self::Warning => 1101,
            Self::NoEffectYet => 1102,
            Self::NotLiveYet => 1103,
            Self::Referrer => 1104,
            Self::Done => 1105,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_given_once_and_no_status_makes_clients_repeat_in_vain() {
        let numbers: Vec<u32> = Code::ALL.iter().map(|code| code.number()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        for code in Code::ALL {
            let is_of_records = matches!(code, Code::RecordMissing | Code::RecordExists);
            assert!(is_of_records || u16::try_from(code.number()).is_ok(), "{code:?}");
            assert_ne!(code.status(), StatusCode::CONFLICT);
            let repeated = [408, 429].contains(&code.status().as_u16()) || code.status().is_server_error();
            assert_eq!(repeated, code.is_passing(), "{code:?}");
        }
    }
}
