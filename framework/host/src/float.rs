//! How this thread computes with floats: rounding, and what becomes of numbers near zero. The main type is [`Settings`].
//!
//! A library that is linked with `-ffast-math` has the processor flush small numbers to zero from the moment it is loaded,
//! and one that sets the rounding mode may forget to set it back; either changes the numbers of whatever else this thread
//! computes: of the training beside it.

/// The processor's settings for floats, of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings(Control);

impl Settings {
    /// Those of this thread.
    pub(crate) fn now() -> Self {
        Self(processor::read())
    }

    /// Brings them back on this thread; whether they had changed.
    pub(crate) fn restore(self) -> bool {
        if processor::read() == self.0 {
            return false;
        }
        processor::write(self.0);
        true
    }
}

#[cfg(target_arch = "x86_64")]
use processor::Control;
#[cfg(target_arch = "x86_64")]
mod processor {
    use std::arch::asm;

    /// What of MXCSR are settings; the rest says which exceptions there were.
    const SETTINGS: u32 = 0xffc0;

    /// MXCSR, which SSE and AVX obey, and the control word of the x87.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Control {
        mxcsr: u32,
        x87: u16,
    }

    pub(super) fn read() -> Control {
        let (mut mxcsr, mut x87) = (0_u32, 0_u16);
        // SAFETY: both store a register into the variable that they are given; every x86-64 processor has them.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags));
            asm!("fnstcw [{}]", in(reg) &raw mut x87, options(nostack, preserves_flags));
        }
        Control { mxcsr: mxcsr & SETTINGS, x87 }
    }

    pub(super) fn write(control: Control) {
        let Control { mxcsr, x87 } = control;
        // SAFETY: both values were read from these registers on this thread, when Rust's code ran with them.
        unsafe {
            asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack, preserves_flags));
            asm!("fldcw [{}]", in(reg) &raw const x87, options(nostack, preserves_flags));
        }
    }
}

#[cfg(target_arch = "aarch64")]
use processor::Control;
#[cfg(target_arch = "aarch64")]
mod processor {
    use std::arch::asm;

    /// FPCR.
    pub(crate) type Control = u64;

    pub(super) fn read() -> Control {
        let control: u64;
        // SAFETY: it reads a register that every program may read.
        unsafe { asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack, preserves_flags)) };
        control
    }

    pub(super) fn write(control: Control) {
        // SAFETY: the value was read from this register on this thread, when Rust's code ran with it.
        unsafe { asm!("msr fpcr, {}", in(reg) control, options(nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use processor::Control;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod processor {
    /// Nothing is known of this processor.
    pub(crate) type Control = ();

    pub(super) fn read() -> Control {}

    pub(super) fn write((): Control) {}
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn rounding_and_flushing_are_brought_back() {
        let before = Settings::now();
        assert!(!before.restore(), "nothing has changed");
        // Boxed as a whole, too: the product could otherwise be computed on the other side of what changes the settings.
        let thin = || black_box(black_box(1e-39_f32) * black_box(0.5));
        assert!(thin() > 0.0);
        let upward: u32 = 0x1f80 | 0x4000 | 0x8000 | 0x40;
        // SAFETY: rounding upward and flushing to zero, for the few lines until they are brought back.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const upward) };
        let flushed = thin();
        assert!(before.restore());
        assert_eq!(flushed.to_bits(), 0, "the test sets what it says");
        assert!(thin() > 0.0);
        assert_eq!(Settings::now(), before);
    }
}
