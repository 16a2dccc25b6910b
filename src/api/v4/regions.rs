//! `load_balancers/regions`: the original's regions with their countries, and with subdivisions of the United States and
//! Canada, which lie in two regions each. A table that never changes; what it rests on says `table`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;

use self::table::{COUNTRIES, Country, REGIONS, SUBDIVISIONS};
use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::request::{Parameters, PathParts};
use crate::api::v4::route::{Route, in_account};

mod table;

/// The standards of the codes, in the original's words.
const ISO_STANDARD: &str = "Country and subdivision codes follow ISO 3166-1 alpha-2 and ISO 3166-2";

/// Regions as they are shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Mapping {
    /// What codes follow.
    iso_standard: &'static str,
    /// The regions.
    regions: Vec<ShownRegion>,
}

/// A region as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct ShownRegion {
    /// Its code.
    #[serde(rename = "region_code")]
    code: &'static str,
    /// Its countries, in order of their codes.
    countries: Vec<ShownCountry>,
}

/// A country, or the part of it that lies in a region.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct ShownCountry {
    /// Its code.
    #[serde(rename = "country_code_a2")]
    code: &'static str,
    /// Its name.
    #[serde(rename = "country_name")]
    name: &'static str,
    /// What of it lies in the region, where it lies in several.
    #[serde(rename = "country_subdivisions", skip_serializing_if = "Vec::is_empty")]
    subdivisions: Vec<ShownSubdivision>,
}

/// A part of a country.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct ShownSubdivision {
    /// Its code within the country.
    #[serde(rename = "subdivision_code_a2")]
    code: &'static str,
    /// Its name.
    #[serde(rename = "subdivision_name")]
    name: &'static str,
}

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Filter {
    /// A country.
    country: Option<String>,
    /// A part of a country.
    subdivision: Option<String>,
}

impl Filter {
    /// What the parameters say. A subdivision may have its country before it, as in `US-CA`.
    fn parse(parameters: &Parameters) -> Result<Self, ApiError> {
        let code = |name: &str| Ok::<_, ApiError>(parameters.text(name)?.map(str::to_ascii_uppercase));
        let mut country = code("country_code_a2")?;
        let subdivision = match code("subdivision_code_a2")? {
            Some(subdivision) => Some(subdivision),
            None => code("subdivision_code")?,
        };
        let subdivision = subdivision.map(|code| match code.split_once('-') {
            Some((of, code)) => {
                country.get_or_insert_with(|| of.to_owned());
                code.to_owned()
            }
            None => code,
        });
        Ok(Self { country, subdivision })
    }

    /// Whether a country is wanted.
    fn wants(&self, country: &str) -> bool {
        self.country.as_ref().is_none_or(|wanted| wanted == country)
    }

    /// Whether a part of a country is wanted.
    fn wants_part(&self, subdivision: &str) -> bool {
        self.subdivision.as_ref().is_none_or(|wanted| wanted == subdivision)
    }
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_account(&[
        Route::get("/load_balancers/regions", list).for_all(),
        Route::get("/load_balancers/regions/{region_code}", details).for_all(),
    ])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let text = schema::text;
    let subdivision = schema::object([("subdivision_code_a2", text()), ("subdivision_name", text())], []);
    let country = schema::object(
        [("country_code_a2", text()), ("country_name", text())],
        [("country_subdivisions", schema::list(subdivision))],
    );
    let region = schema::object([("region_code", text()), ("countries", schema::list(country))], []);
    let mapping = schema::object([("iso_standard", text()), ("regions", schema::list(region))], []);
    let regions = || schema::of("Regions");
    let operations = vec![
        Operation::new(Method::GET, "/load_balancers/regions", "Lists regions with their countries.")
            .gives(regions())
            .query("country_code_a2", text(), "Only what this country lies in.")
            .query("subdivision_code_a2", text(), "Only what this subdivision lies in.")
            .query("subdivision_code", text(), "The same, perhaps with its country, as in `US-CA`."),
        Operation::new(Method::GET, "/load_balancers/regions/{region_code}", "Shows a region.").gives(regions()),
    ];
    Description { tag: "Regions", operations, schemas: vec![("Regions", mapping)] }
}

/// `GET .../regions`: those in which the country and the subdivision of the parameters lie, with nothing else in them.
async fn list(State(_): State<Arc<Context>>, parameters: Parameters) -> Answer<Mapping> {
    let filter = Filter::parse(&parameters)?;
    let regions = REGIONS.iter().map(|code| shown(code, &filter)).filter(|region| !region.countries.is_empty());
    Ok(Reply::new(Mapping { iso_standard: ISO_STANDARD, regions: regions.collect() }))
}

/// `GET .../regions/{region_code}`
async fn details(State(_): State<Arc<Context>>, path: PathParts) -> Answer<Mapping> {
    let code = path.part("region_code")?;
    let known = REGIONS.iter().find(|known| **known == code);
    let region = shown(known.ok_or_else(|| ApiError::not_found("region", code))?, &Filter::default());
    Ok(Reply::new(Mapping { iso_standard: ISO_STANDARD, regions: vec![region] }))
}

/// A region, as far as it is asked for.
fn shown(code: &'static str, filter: &Filter) -> ShownRegion {
    let countries = COUNTRIES.iter().filter(|(country, ..)| filter.wants(country));
    let countries = countries.filter_map(|country| shown_country(country, code, filter));
    ShownRegion { code, countries: countries.collect() }
}

/// What of a country lies in a region and is asked for.
fn shown_country(country: &Country, region: &str, filter: &Filter) -> Option<ShownCountry> {
    let (code, name, regions) = *country;
    let parts = SUBDIVISIONS.iter().filter(|(of, _, part, lies_in)| {
        *of == code && regions.len() > 1 && *lies_in == region && filter.wants_part(part)
    });
    let subdivisions: Vec<ShownSubdivision> = parts.map(|(_, name, code, _)| ShownSubdivision { code, name }).collect();
    let is_there = regions.contains(&region) && (filter.subdivision.is_none() || !subdivisions.is_empty());
    is_there.then_some(ShownCountry { code, name, subdivisions })
}

#[cfg(test)]
mod tests;
