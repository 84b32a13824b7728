//! One named thread makes every call to burn. It takes commands, works on its jobs in turn in slices of some milliseconds,
//! and sends events. It knows nothing of windows: the window and the command line drive it alike. A second thread opens and
//! saves files.

mod disk;
mod job;
mod message;

pub use disk::{Disk, DiskEvent, DiskRequest};
pub use message::{AlongSpec, Command, Event, JobError, JobId, Lane, PathEnsembleSpec, PredictSpec, Request};

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use thread_priority::{ThreadPriority, ThreadPriorityValue};

use crate::compute::DeviceChoice;

/// Room for bursts; a full channel makes the compute thread wait for the window, never the reverse.
const EVENT_CAPACITY: usize = 1024;
const COMMAND_CAPACITY: usize = 1024;
/// Of the threads that compute behind a window, of 0 to 99; 44 is usual. On Linux a nice value of 9.
const COMPUTE_PRIORITY: u8 = 25;

/// The compute thread. Dropping it cancels what runs and waits for the thread, at most one slice.
pub struct Worker {
    // Dropped first, so that a thread blocked on sending an event wakes up.
    events: Option<Receiver<Event>>,
    commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    next_job: AtomicU64,
}

impl Worker {
    /// Starts the thread and opens the device on it.
    ///
    /// `notify` is called after each event, from the compute thread.
    pub fn spawn(choice: DeviceChoice, notify: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        Self::spawn_with(choice, || {}, notify)
    }

    /// The same behind a window: whatever computes gives way to the thread that draws, so that frames come in time although
    /// all cores are at work.
    ///
    /// `notify` as in [`Self::spawn`].
    pub fn spawn_behind_window(choice: DeviceChoice, notify: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        // Where the pool is at work already it stays as it is.
        if let Err(error) = rayon::ThreadPoolBuilder::new().start_handler(|_| give_way()).build_global() {
            log::debug!("the pool's threads keep their priority: {error}");
        }
        Self::spawn_with(choice, give_way, notify)
    }

    fn spawn_with(
        choice: DeviceChoice,
        begin: impl FnOnce() + Send + 'static,
        notify: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (command_sender, command_receiver) = bounded(COMMAND_CAPACITY);
        let (event_sender, event_receiver) = bounded(EVENT_CAPACITY);
        let thread = std::thread::Builder::new().name("compute".to_owned()).spawn(move || {
            begin();
            job::run(choice, &command_receiver, &job::Outbox::new(event_sender, notify));
        })?;
        Ok(Self {
            events: Some(event_receiver),
            commands: Some(command_sender),
            thread: Some(thread),
            next_job: AtomicU64::new(1),
        })
    }

    /// A fresh name for a job.
    pub fn new_job(&self) -> JobId {
        JobId(self.next_job.fetch_add(1, Ordering::Relaxed))
    }

    /// Hands over a command. Returns whether it was taken: a full queue means that the device hangs.
    pub fn send(&self, command: Command) -> bool {
        self.commands.as_ref().is_some_and(|commands| commands.try_send(command).is_ok())
    }

    /// Starts a job and returns its name.
    pub fn start(&self, lane: Lane, request: Request) -> JobId {
        let job = self.new_job();
        self.send(Command::Start { job, lane, request: Box::new(request) });
        job
    }

    /// The next event, if there is one now.
    pub fn try_event(&self) -> Option<Event> {
        self.events.as_ref()?.try_recv().ok()
    }

    /// Waits for the next event; `None` when the thread is gone.
    pub fn wait_event(&self) -> Option<Event> {
        self.events.as_ref()?.recv().ok()
    }
}

/// Lowers the priority of the thread that calls.
fn give_way() {
    let priority = ThreadPriorityValue::try_from(COMPUTE_PRIORITY).map(ThreadPriority::Crossplatform);
    if !priority.is_ok_and(|priority| priority.set_for_current().is_ok()) {
        log::debug!("a thread that computes keeps its priority");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.events = None;
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread itself was already reported by the hook; there is nobody left to tell.
            let _ended = thread.join();
        }
    }
}
