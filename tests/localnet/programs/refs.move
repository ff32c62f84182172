/// References: fields, elements, locals, across calls, and copies that must not share anything.
module diff::refs;

public struct Inner has copy, drop, store { a: u64, bytes: vector<u8>, flag: bool }

public struct Outer has copy, drop, store { inner: Inner, list: vector<Inner>, nested: vector<vector<u64>>, who: address }

public fun inner(a: u64): Inner { Inner { a, bytes: vector[a as u8, 1, 2], flag: a % 2 == 0 } }

public fun outer(n: u64): Outer {
    Outer { inner: inner(n), list: vector::tabulate!(n, |i| inner(i)), nested: vector[vector[n], vector[], vector[1, 2]], who: @0x5 }
}

public fun copies(n: u64): vector<Outer> {
    let mut first = outer(n);
    let second = first;
    first.inner.a = 99;
    first.inner.bytes.push_back(7);
    first.nested[0].push_back(8);
    if (n > 0) { let item = &mut first.list[0]; *&mut item.bytes[1] = 200; item.flag = !item.flag };
    first.who = @0x77;
    let mut third = second;
    let part = &mut third.nested;
    *&mut part[2] = vector[n, n];
    let fourth = *&third;
    third.nested.swap(0, 2);
    vector[first, second, third, fourth]
}

fun pick(outer: &mut Outer, second: bool): &mut u64 {
    if (second) { let list = &mut outer.list; &mut list[1].a } else &mut outer.inner.a
}

public fun picked(n: u64, second: bool): Outer {
    let mut outer = outer(n);
    let number = pick(&mut outer, second);
    *number = *number * 10 + 5;
    *pick(&mut outer, !second) = 3;
    outer
}

fun add(to: &mut u64, by: u64) { *to = *to + by }

public fun locals(n: u64): u64 {
    let mut total = 0;
    let mut i = 0;
    while (i < n) {
        let mut step = i;
        add(&mut step, 2);
        let other = &mut step;
        *other = *other * 2;
        add(&mut total, step);
        add(&mut i, 1);
    };
    let frozen: &u64 = &total;
    *frozen + *(&i)
}

fun set<T: drop>(to: &mut T, value: T) { *to = value }

fun twice<T: copy>(of: &T): vector<T> { vector[*of, *of] }

public fun generic(n: u64): vector<Inner> {
    let mut number = n;
    set(&mut number, n + 1);
    let mut bytes = vector[1u8];
    set(&mut bytes, vector[2, 3]);
    let mut one = inner(number);
    let mut two = twice(&one);
    set(&mut one, inner(50));
    set(&mut two[0].bytes, bytes);
    set(&mut two[1].flag, false);
    bytes.push_back(9);
    two.push_back(one);
    two
}

public fun swapped(a: u64, b: u64): vector<u64> {
    let mut x = a;
    let mut y = b;
    let (p, q) = (&mut x, &mut y);
    let t = *p;
    *p = *q;
    *q = t;
    vector[x, y]
}

public fun equal(n: u64, m: u64): vector<bool> {
    let (a, b) = (outer(n), outer(m));
    vector[&a == &b, &a.inner != &b.inner, a.nested == b.nested, &a.inner.a == &b.inner.a, a.list == b.list, a == b]
}

public fun by_element(n: u64): vector<vector<u64>> {
    let mut rows = vector::tabulate!(n, |i| vector::tabulate!(i, |j| i * j));
    let mut i = 0;
    while (i < n) {
        let row = &mut rows[i];
        if (!row.is_empty()) {
            let last = row.length() - 1;
            let cell = &mut row[last];
            *cell = *cell + 1000;
        };
        row.push_back(i);
        i = i + 1;
    };
    rows
}

public fun moved(n: u64): vector<u8> {
    let Outer { inner: Inner { mut bytes, a: _, flag }, list, nested: _, who: _ } = outer(n);
    if (flag) bytes.append(b"even");
    list.do!(|Inner { a, .. }| bytes.push_back(a as u8));
    bytes
}
