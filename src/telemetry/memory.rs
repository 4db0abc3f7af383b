//! What is shown of the memory budget.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// The gauges of memory.
#[derive(Debug, Default)]
pub struct MemoryMetrics {
    resident: Gauge,
    budget: Gauge,
    pressure: Gauge,
}

impl MemoryMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let resident = "Memory that the process holds";
        registry.register_with_unit("memory_resident", resident, Unit::Bytes, self.resident.clone());
        let budget = "Memory that it may hold; 0 where nothing was set or found out";
        registry.register_with_unit("memory_budget", budget, Unit::Bytes, self.budget.clone());
        let pressure = "How near that is: 0 calm, 1 tight, 2 short, 3 full";
        registry.register("memory_pressure", pressure, self.pressure.clone());
    }

    /// How much is held and may be, and how near that is.
    pub fn set(&self, resident: u64, budget: Option<u64>, pressure: u8) {
        self.resident.set(whole(resident));
        self.budget.set(whole(budget.unwrap_or_default()));
        self.pressure.set(pressure.into());
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
