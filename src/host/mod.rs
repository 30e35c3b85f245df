//! What a host adds to a definition: its layers as they lie here, the image that it names, the ids and addresses that are
//! kept for it; all that a plan is made from.

pub mod addresses;
pub mod definitions;
pub mod facts;
pub mod known;
pub mod missing;
pub mod resolvers;
pub mod settled;
