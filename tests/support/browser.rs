//! A real browser without a screen: Chromium, told what to do over a pipe (the DevTools protocol).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Bench, Daemon};

/// A browser with one page.
pub struct Browser {
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    number: u64,
    /// What went wrong in the page: exceptions, errors on the console, what was blocked.
    pub errors: Vec<String>,
    /// Addresses that it asked for.
    pub requests: Vec<String>,
    is_loaded: bool,
    #[expect(dead_code, reason = "ended when it is dropped")]
    daemon: Daemon,
}

impl Browser {
    pub fn start(bench: &Bench) -> Self {
        let pipes = ["to-browser", "from-browser"].map(|name| {
            bench.program("mkfifo").arg(bench.path(name)).run().success();
            bench.path(name)
        });
        let flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
                     --disable-background-networking --disable-component-update --hide-scrollbars --remote-debugging-pipe";
        let line = format!("exec chromium {flags} --user-data-dir=profile about:blank 3<to-browser 4>from-browser");
        let daemon = bench.program("sh").args(["-c", &line]).spawn();
        // Each waits for the other end.
        let to = File::options().write(true).open(&pipes[0]).unwrap();
        let from = BufReader::new(File::open(&pipes[1]).unwrap());
        let mut browser = Self {
            to,
            from,
            session: None,
            number: 0,
            errors: Vec::new(),
            requests: Vec::new(),
            is_loaded: false,
            daemon,
        };
        let target = browser.tell("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.tell("Target.attachToTarget", attach);
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.tell(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Tell it something, and wait for its answer.
    #[track_caller]
    pub fn tell(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let message = self.hear();
            if message["id"] == self.number {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// The next message, which may be about an event.
    fn hear(&mut self) -> Value {
        let mut text = Vec::new();
        let count = self.from.read_until(0, &mut text).unwrap();
        assert!(count > 0, "the browser has ended");
        text.pop();
        let message: Value = serde_json::from_slice(&text).unwrap();
        let parameters = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => self.errors.push(parameters["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" => self.errors.push(parameters["args"].to_string()),
            "Log.entryAdded" => self.errors.push(parameters["entry"].to_string()),
            "Network.requestWillBeSent" => {
                self.requests.push(parameters["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            "Page.loadEventFired" => self.is_loaded = true,
            _ => {}
        }
        message
    }

    /// How wide the page is seen, in which colours, and whether scripts run.
    pub fn look(&mut self, width: u32, scheme: &str, has_script: bool) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.tell("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.tell("Emulation.setEmulatedMedia", scheme);
        self.tell("Emulation.setScriptExecutionDisabled", json!({ "value": !has_script }));
    }

    /// Go to an address, and wait until it is there.
    #[track_caller]
    pub fn go(&mut self, address: &str) {
        self.is_loaded = false;
        let gone = self.tell("Page.navigate", json!({ "url": address }));
        assert!(gone.get("errorText").is_none(), "{address}: {gone}");
        self.wait_until_loaded();
    }

    /// Wait for the page that a click or a drag leads to.
    pub fn wait_until_loaded(&mut self) {
        while !self.is_loaded {
            self.hear();
        }
    }

    /// What the next [`Browser::wait_until_loaded`] waits for is yet to come.
    pub fn expect_load(&mut self) {
        self.is_loaded = false;
    }

    /// What a script of ours finds.
    #[track_caller]
    pub fn find(&mut self, script: &str) -> Value {
        let found = self.tell("Runtime.evaluate", json!({ "expression": script, "returnByValue": true }));
        assert!(found.get("exceptionDetails").is_none(), "{script}: {found}");
        found["result"]["value"].clone()
    }

    /// Press the mouse at one place, and let it go at another one.
    #[track_caller]
    pub fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        for (kind, (x, y)) in [("mousePressed", from), ("mouseMoved", to), ("mouseReleased", to)] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1 });
            self.tell("Input.dispatchMouseEvent", event);
        }
    }

    /// How wide the content is.
    pub fn content_width(&mut self) -> f64 {
        self.tell("Page.getLayoutMetrics", json!({}))["cssContentSize"]["width"].as_f64().unwrap()
    }

    /// The whole page as a picture.
    pub fn shoot(&mut self, path: &Path) {
        let shot = self.tell("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let bytes = BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 2000, "{} bytes", bytes.len());
        fs::write(path, bytes).unwrap();
    }
}
