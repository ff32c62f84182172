/// Failures: with which code, and where.
module diff::aborts;

use diff::helper;

const EConstant: u64 = 18_446_744_073_709_551_615;

public fun code(c: u64): u64 { abort c }

public fun constant(n: u64): u64 { assert!(n != 3, EConstant); n }

public fun nested(n: u64): u64 { helper::check(n) + 1 }

public fun far(a: u64, b: u64): u64 { helper::subtract(a, b) }

public fun element(n: u64): u64 { *helper::third(&vector::tabulate!(n, |i| i + 7)) }

public fun order(n: u64): u64 { assert!(n > 1, n); assert!(10 / n > 1, 2); 100 / (n - 2) }

public fun unpack(n: u64): u64 { let mut v = vector::tabulate!(n, |i| i); let last = v.pop_back(); v.destroy_empty(); last }

public fun both(a: bool, b: u64): bool { a && 10 / b == 5 || b == 3 }

public fun fibonacci(n: u64): u64 { if (n < 2) n else fibonacci(n - 1) + fibonacci(n - 2) }

public fun ackermann(m: u64, n: u64): u64 { if (m == 0) n + 1 else if (n == 0) ackermann(m - 1, 1) else ackermann(m - 1, ackermann(m, n - 1)) }

public fun collatz(mut n: u64): u64 {
    let mut steps = 0;
    while (n != 1) { n = if (n % 2 == 0) n / 2 else 3 * n + 1; steps = steps + 1; if (steps > 1000) break };
    steps
}

public fun labels(n: u64): u64 {
    let mut total = 0;
    'rows: loop {
        let mut i = 0;
        loop {
            i = i + 1;
            if (i % 2 == 0) continue;
            total = total + i;
            if (total > n) break 'rows;
            if (i > 5) break
        };
        total = total + 100
    };
    total
}

public fun down(n: u64): u64 { if (n == 0) 0 else down(n - 1) }

/// As deep here as `down` is in a test.
public fun down_from(n: u64): u64 { down(n) }

public fun recursion_from(n: u64): u64 { recursion(n) }

public fun recursion(n: u64): u64 { if (n == 0) 0 else 1 + recursion(n - 1) }
