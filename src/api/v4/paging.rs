//! Lists in pages: everything unless the request says otherwise, since the official clients ask for no pages.

use serde::Serialize;

use crate::api::v4::error::ApiError;
use crate::api::v4::request::Parameters;
use crate::model::limits::PER_PAGE_MAX;

/// Which part of a list is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paging {
    /// All of it.
    Everything,
    /// So many items from an index on.
    Part {
        /// The first one's index, from 0.
        offset: usize,
        /// How many at most.
        limit: usize,
    },
}

/// Items of a page where nobody says how many: the original's.
const PER_PAGE_DEFAULT: usize = 25;
/// Items from an offset on where nobody says how many.
const LIMIT_DEFAULT: usize = 1_000;

impl Paging {
    /// What a request asks for: `page` and `per_page`, or `limit` and `offset`.
    pub fn parse(parameters: &Parameters) -> Result<Self, ApiError> {
        let page = parameters.number("page", 1, usize::MAX)?;
        let count =
            |name| Ok::<_, ApiError>(parameters.number(name, 1, usize::MAX)?.map(|count| count.min(PER_PAGE_MAX)));
        let (per_page, limit) = (count("per_page")?, count("limit")?);
        let offset = parameters.number("offset", 0, usize::MAX)?;
        match (page, per_page, limit, offset) {
            (None, None, None, None) => Ok(Self::Everything),
            (page, per_page, None, None) => {
                let limit = per_page.unwrap_or(PER_PAGE_DEFAULT);
                Ok(Self::Part { offset: (page.unwrap_or(1) - 1).saturating_mul(limit), limit })
            }
            (None, None, limit, offset) => {
                Ok(Self::Part { offset: offset.unwrap_or(0), limit: limit.unwrap_or(LIMIT_DEFAULT) })
            }
            _ => Err(ApiError::invalid("page and per_page, or limit and offset, but not both")),
        }
    }

    /// The wanted part of a list that is made item by item: only what is shown is made.
    pub fn part<I, T>(self, items: I, make: impl FnMut(I::Item) -> T) -> Page<T>
    where
        I: ExactSizeIterator,
    {
        let total_count = items.len();
        let (offset, per_page) = match self {
            Self::Everything => (0, total_count.max(1)),
            Self::Part { offset, limit } => (offset, limit),
        };
        let items: Vec<T> = items.skip(offset).take(per_page).map(make).collect();
        let info = PageInfo {
            page: offset / per_page + 1,
            per_page,
            count: items.len(),
            total_count,
            total_pages: total_count.div_ceil(per_page),
        };
        Page { items, info }
    }
}

/// A part of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where they stand.
    pub info: PageInfo,
}

/// Where in a list a page stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct PageInfo {
    /// The page, from 1.
    page: usize,
    /// Items of a page.
    per_page: usize,
    /// Items of this page.
    count: usize,
    /// Items of the list.
    total_count: usize,
    /// Pages of the list.
    total_pages: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_what_was_asked_for() {
        for (query, expected, info) in [
            ("", vec![0, 1, 2, 3, 4], (1, 5, 5, 1)),
            ("page=2&per_page=2", vec![2, 3], (2, 2, 2, 3)),
            ("page=9&per_page=2", vec![], (9, 2, 0, 3)),
            ("per_page=3", vec![0, 1, 2], (1, 3, 3, 2)),
            ("per_page=99999999", vec![0, 1, 2, 3, 4], (1, PER_PAGE_MAX, 5, 1)),
            ("page=1", vec![0, 1, 2, 3, 4], (1, 25, 5, 1)),
            ("limit=2&offset=3", vec![3, 4], (2, 2, 2, 3)),
            ("offset=4", vec![4], (1, 1000, 1, 1)),
            ("page=18446744073709551615&per_page=1000", vec![], (18_446_744_073_709_552, 1000, 0, 1)),
        ] {
            let paging = Paging::parse(&Parameters::parse(query)).unwrap();
            let Page { items, info: found } = paging.part(0..5, |item| item);
            assert_eq!(items, expected, "{query}");
            let PageInfo { page, per_page, count, total_count, total_pages } = found;
            assert_eq!((page, per_page, count, total_pages), info, "{query}");
            assert_eq!(total_count, 5);
        }
        let none = Paging::Everything.part(0..0, |item| item).info;
        assert_eq!((none.page, none.per_page, none.count, none.total_pages), (1, 1, 0, 0));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for query in ["page=0", "per_page=0", "page=x", "page=-1", "page=1&limit=1", "page=1&page=2"] {
            assert!(Paging::parse(&Parameters::parse(query)).is_err(), "{query}");
        }
    }
}
