//! The series that both are asked about, made from a seed.

use hydrant_promql::{Labels, Sample, Series};

/// When the first samples are, in s. Two hours from there.
pub(crate) const START_S: i64 = 1_700_000_000;
const LENGTH_S: i64 = 2 * 60 * 60;

/// A series and its name.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) series: Series,
}

/// All series. Each has a `source_id`, and no two samples of one have the same time.
pub(crate) fn series() -> Vec<Named> {
    let mut make = Make {
        random: 7,
        made: Vec::new(),
    };
    for source in ["app-a", "app-b"] {
        make.counters(source);
        make.gauges(source);
        make.histograms(source);
        make.odd(source);
    }
    make.made
}

struct Make {
    random: u64,
    made: Vec<Named>,
}

impl Make {
    /// Below `bound`.
    fn random(&mut self, bound: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) % bound
    }

    fn add(&mut self, name: &'static str, labels: &[(&str, &str)], samples: Vec<Sample>) {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let series = Series {
            labels: Labels::new(labels.collect()),
            samples,
        };
        self.made.push(Named { name, series });
    }

    /// Times every some seconds, some ms late, with gaps.
    fn times_ms(&mut self, every_s: i64, jitter_ms: u64, gaps: bool) -> Vec<i64> {
        let mut times = Vec::new();
        let mut missing = 0;
        for at_s in (0..LENGTH_S).step_by(usize::try_from(every_s).unwrap()) {
            if gaps && missing == 0 && self.random(60) == 0 {
                missing = 10 + self.random(40);
            }
            if missing > 0 {
                missing -= 1;
                continue;
            }
            let late_ms = if jitter_ms > 0 {
                self.random(jitter_ms)
            } else {
                0
            };
            times.push((START_S + at_s) * 1_000 + i64::try_from(late_ms).unwrap());
        }
        times
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn counters(&mut self, source: &str) {
        for instance in ["0", "1", "2"] {
            for (code, method) in [
                ("200", "GET"),
                ("404", "GET"),
                ("500", "POST"),
                ("200", "POST"),
            ] {
                let labels = [
                    ("source_id", source),
                    ("instance_id", instance),
                    ("code", code),
                    ("method", method),
                ];
                let mut total = self.random(1_000);
                let mut samples = Vec::new();
                for time_ms in self.times_ms(15, 900, code == "404") {
                    total = if self.random(80) == 0 {
                        self.random(5)
                    } else {
                        total + self.random(30)
                    };
                    samples.push((time_ms, total as f64));
                }
                self.add("requests", &labels, samples);
            }
        }
        let labels = [
            ("source_id", source),
            ("instance_id", "0"),
            ("peer_type", "Client"),
        ];
        let timers = self.times_ms(1, 0, false);
        let timers = timers
            .into_iter()
            .map(|time_ms| (time_ms, 1e6 + self.random(90_000_000) as f64));
        let timers = timers.collect::<Vec<_>>();
        self.add("http", &labels, timers);
        let labels = [
            ("source_id", source),
            ("instance_id", "0"),
            ("peer_type", "Server"),
        ];
        self.add("http", &labels, vec![(START_S * 1_000, 4.0)]);
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn gauges(&mut self, source: &str) {
        for instance in ["0", "1", "2"] {
            let labels = [
                ("source_id", source),
                ("instance_id", instance),
                ("job", "cell"),
            ];
            for (name, gaps) in [("cpu", true), ("memory", false), ("temperature", false)] {
                let mut samples = Vec::new();
                for time_ms in self.times_ms(20, 2_000, gaps) {
                    let value = self.random(100_000) as f64 / 1_000.0;
                    samples.push((
                        time_ms,
                        if name == "temperature" {
                            value - 50.0
                        } else {
                            value
                        },
                    ));
                }
                self.add(name, &labels, samples);
            }
            let labels = [("source_id", source), ("instance_id", instance)];
            let quota = self
                .times_ms(60, 0, false)
                .into_iter()
                .map(|time_ms| (time_ms, 256.0));
            self.add("memory_quota", &labels, quota.collect());
        }
        let labels = [
            ("source_id", source),
            ("version", if source == "app-a" { "1.2" } else { "2.0" }),
        ];
        let info = self
            .times_ms(60, 0, false)
            .into_iter()
            .map(|time_ms| (time_ms, 1.0));
        self.add("info", &labels, info.collect());
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn histograms(&mut self, source: &str) {
        for instance in ["0", "1"] {
            let times = self.times_ms(30, 0, false);
            let bounds = ["0.005", "0.05", "0.1", "0.5", "1", "2.5", "10", "+Inf"];
            let mut counts = [0; 8];
            let mut samples = vec![Vec::new(); 8];
            for time_ms in times {
                for first in 0..8 {
                    let more = self.random(4);
                    counts[first..].iter_mut().for_each(|count| *count += more);
                }
                for (samples, count) in samples.iter_mut().zip(counts) {
                    samples.push((time_ms, count as f64));
                }
            }
            for (le, samples) in bounds.iter().zip(samples) {
                let labels = [
                    ("source_id", source),
                    ("instance_id", instance),
                    ("le", *le),
                ];
                self.add("latency_bucket", &labels, samples);
            }
        }
        // Without +Inf, with a bound that is none, with counts that fall, with bounds that are
        // equal.
        let odd: [(&str, &[(&str, f64)]); 4] = [
            ("open", &[("1", 2.0), ("2", 5.0)]),
            ("text", &[("x", 2.0), ("1", 3.0), ("+Inf", 5.0)]),
            (
                "falling",
                &[("-1", 1.0), ("1", 6.0), ("2", 5.0), ("+Inf", 9.0)],
            ),
            (
                "equal",
                &[("1", 2.0), ("1.0", 3.0), ("2", 7.0), ("+Inf", 9.0)],
            ),
        ];
        for (kind, buckets) in odd {
            for (le, count) in buckets {
                let labels = [("source_id", source), ("kind", kind), ("le", *le)];
                let samples = self
                    .times_ms(60, 0, false)
                    .into_iter()
                    .map(|ms| (ms, *count))
                    .collect();
                self.add("odd_bucket", &labels, samples);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn odd(&mut self, source: &str) {
        for (kind, odd) in [
            ("nan", f64::NAN),
            ("inf", f64::INFINITY),
            ("neginf", f64::NEG_INFINITY),
        ] {
            let mut samples = Vec::new();
            for time_ms in self.times_ms(30, 0, false) {
                let value = if self.random(6) == 0 {
                    odd
                } else {
                    self.random(10) as f64
                };
                samples.push((time_ms, value));
            }
            self.add("odd", &[("source_id", source), ("kind", kind)], samples);
        }
        let sparse = self
            .times_ms(420, 0, false)
            .into_iter()
            .map(|ms| (ms, ms as f64 / 1e9));
        self.add("sparse", &[("source_id", source)], sparse.collect());
        let flat = self.times_ms(10, 0, false).into_iter().map(|ms| (ms, 3.5));
        self.add("flat", &[("source_id", source)], flat.collect());
        let dates = self.times_ms(30, 0, false).into_iter();
        let dates = dates.map(|ms| (ms, (ms - START_S * 1_000) as f64 * 250.0 - 3e8));
        self.add("dates", &[("source_id", source)], dates.collect());
        let tiny = self.times_ms(15, 0, false).into_iter();
        let tiny = tiny.map(|ms| (ms, ((ms / 1_000) % 7 - 3) as f64 / 4.0));
        self.add(
            "tiny",
            &[("source_id", source), ("path", "/a/b\"c\\d")],
            tiny.collect(),
        );
        self.add(
            "once",
            &[("source_id", source)],
            vec![((START_S + 3_000) * 1_000, 42.0)],
        );
    }
}
