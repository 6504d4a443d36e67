//! The cases themselves, each a function of the name of its test.

mod answers;
mod deadlines;
mod looks;
mod marks;
mod preflight;
mod resumption;
mod secrets;
mod shapes;
mod table;
mod tokens;

pub(super) use self::{
    answers::*, deadlines::*, looks::*, marks::*, preflight::*, resumption::*, secrets::*,
    shapes::*, table::*, tokens::*,
};
