// Compiles or tests a Move package with the compiler that package-lock.json names. One JSON job on standard input, one
// JSON result on standard output; whatever the compiler prints of itself goes to standard error. No network: the
// framework's sources are read from the folder that the job names.
//
// job: {mode: "build" | "test" | "framework", framework: FOLDER, files: {PATH: TEXT}}
// result: {ok: true, ...} or {ok: false, error, category}
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

console.log = console.info = console.debug = (...words) => console.error(...words);
const builder = await import('@zktx.io/sui-move-builder/full');

const NETWORK = 'mainnet';
// The manifests that come with the sources say that they are published, and what is published is compiled to address
// zero (a chain fills it in). These say where the modules belong, for a network's genesis and for whoever runs them.
const STDLIB_MANIFEST = `[package]
name = "MoveStdlib"
edition = "2024.beta"
implicit-dependencies = false

[addresses]
std = "0x1"
`;
const FRAMEWORK_MANIFEST = `[package]
name = "Genesis"
edition = "2024.beta"

[dependencies]
MoveStdlib = { local = "../move-stdlib" }

[addresses]
sui = "0x2"
`;

function readFolder(top, inner = '') {
    const files = {};
    for (const entry of readdirSync(join(top, inner), { withFileTypes: true })) {
        const path = inner ? `${inner}/${entry.name}` : entry.name;
        if (entry.isDirectory()) Object.assign(files, readFolder(top, path));
        else if (/\.(move|toml)$/.test(entry.name)) files[path] = readFileSync(join(top, path), 'utf8');
    }
    return files;
}

function options(job, files) {
    const stdlib = () => readFolder(join(job.framework, 'move-stdlib'));
    const fetcher = {
        fetch: async (url, revision, folder) => {
            if (folder?.endsWith('move-stdlib')) return stdlib();
            if (folder?.endsWith('sui-framework')) return readFolder(join(job.framework, 'sui-framework'));
            throw new Error(`dependency ${url} ${folder ?? ''}: only the framework is known here`);
        },
        fetchLocal: async (path) => {
            if (path.endsWith('move-stdlib')) return stdlib();
            throw new Error(`local dependency ${path}: only the framework is known here`);
        },
        fetchFile: async () => null,
        getResolvedSha: () => undefined,
    };
    return { files, fetcher, network: NETWORK, lintFlag: 'default', ansiColor: false };
}

function bytecode(result) {
    return {
        modules: result.modules,
        dependencies: result.dependencies,
        digest: Buffer.from(result.digest).toString('hex'),
        warnings: result.warnings ?? '',
    };
}

async function run(job) {
    const wasm = new URL('sui_move_wasm_bg.wasm', import.meta.resolve('@zktx.io/sui-move-builder/full'));
    await builder.initMovePackageBuilder({ wasm: readFileSync(wasm) });
    const compiler = { sui: await builder.getPinnedSuiVersion(), move: await builder.getPinnedSuiMoveVersion() };
    switch (job.mode) {
        case 'build': {
            const built = await builder.dumpMovePackage(options(job, job.files));
            return built.error === undefined ? { ok: true, compiler, ...bytecode(built) } : built;
        }
        case 'test': {
            const tested = await builder.testMovePackage(options(job, job.files));
            return tested.error === undefined
                ? { ok: true, compiler, passed: tested.passed, output: tested.output }
                : tested;
        }
        case 'framework': {
            const stdlib = { ...readFolder(join(job.framework, 'move-stdlib')), 'Move.toml': STDLIB_MANIFEST };
            const first = await builder.dumpMovePackage(options(job, stdlib));
            if (first.error !== undefined) return first;
            const framework = { ...readFolder(join(job.framework, 'sui-framework')), 'Move.toml': FRAMEWORK_MANIFEST };
            const second = await builder.dumpMovePackage(options(job, framework));
            if (second.error !== undefined) return second;
            return { ok: true, compiler, packages: { '0x1': bytecode(first), '0x2': bytecode(second) } };
        }
        default:
            return { error: `unknown mode ${job.mode}`, category: 'input_validation' };
    }
}

let result;
try {
    result = await run(JSON.parse(readFileSync(0, 'utf8')));
} catch (problem) {
    result = { error: String(problem?.stack ?? problem), category: 'unknown' };
}
if (!result.ok) result = { ok: false, error: result.error, category: result.category ?? 'unknown' };
process.stdout.write(JSON.stringify(result) + '\n');
