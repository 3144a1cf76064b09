//! The threads of `replay`: the reader fetches batches ahead of time, the player sends each message when it is due, and,
//! where somebody watches, the screen shows how it goes. An empty batch between reader and player ends a pass over the
//! session.

mod announcer;
mod awake;
mod companion;
mod controls;
mod latched;
mod outlets;
mod places;
mod playback;
mod player;
mod reader;
mod screen;
mod standing;

pub use announcer::{Announcement, Announcer};
pub use companion::Companion;
pub use controls::{Controls, Key};
pub use latched::{Latched, latched};
pub use outlets::Outlets;
pub use places::Places;
pub use playback::{Playback, Played};
pub use player::Player;
pub use reader::{Jumps, PREFETCH_BYTES, Passes, Since, Target, prefetch};
pub use screen::{EndOnDrop, Extent, Prompt, Screen};
pub use standing::{Holds, Standing};
