// A certified OpenID provider (npm oidc-provider) over TLS, steered by lines on standard input:
//   rotate            another key signs from now on; the former ones stay published
//   rotate alone      and the former ones are withdrawn
//   down, up          answer 503 to everything, or as before
//   disable NAME…     these people have no account any more
// It prints "ready PORT" once, and a line for each command that it carried out. Each refresh that it refuses is a line in the file `refusals`: the
// milliseconds since 1970 at which its answer was sent, and whose it was.
// `acr` has it name how somebody signed in: by a password, or with a code as well (MFA). "asked": a sign-in that is asked for MFA is not done without
// the code; "ignored": it never asks for one.
import https from 'node:https';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import readline from 'node:readline';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const options = JSON.parse(process.argv[2]);
const require = createRequire(path.join(options.modules, 'x.js'));
const { default: Provider, errors, interactionPolicy } = await import(pathToFileURL(require.resolve('oidc-provider')));

let keys = [];
let down = false;

function addKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  keys = [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: randomUUID() }, ...keys];
}

const adapterStore = new Map();
class Adapter {
  constructor(name) { this.name = name; }
  key(id) { return `${this.name}:${id}`; }
  async upsert(id, payload) { adapterStore.set(this.key(id), payload); }
  async find(id) { return adapterStore.get(this.key(id)); }
  async findByUserCode(code) { return this.search((each) => each.userCode === code); }
  async findByUid(uid) { return this.search((each) => each.uid === uid); }
  search(fits) { return [...adapterStore].filter(([key]) => key.startsWith(`${this.name}:`)).map(([, value]) => value).find(fits); }
  async consume(id) { adapterStore.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { adapterStore.delete(this.key(id)); }
  async revokeByGrantId(grant) { for (const [key, value] of adapterStore) if (value.grantId === grant) adapterStore.delete(key); }
}

const people = options.people;
const PASSWORD = 'urn:example:password';
const MFA = 'urn:example:mfa';
let current;

function policy() {
  const prompts = interactionPolicy.base();
  if (options.acr === 'asked') {
    const { Check } = interactionPolicy;
    prompts.get('login').checks.add(new Check('acr', 'a stronger sign-in is asked for', ({ oidc }) => {
      const asked = oidc.params.acr_values?.split(' ') ?? [];
      return asked.length && !asked.includes(oidc.acr) ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT;
    }));
  }
  return prompts;
}

// The sign-in page, where it names the strength; the provider's own does not. Consent stays the provider's.
async function signInPage(provider, ctx, next) {
  if (!options.acr || !/^\/interaction\/[\w-]+$/.test(ctx.path)) return next();
  const { prompt, params } = await provider.interactionDetails(ctx.req, ctx.res);
  if (prompt.name !== 'login') return next();
  if (ctx.method === 'GET') {
    const code = options.acr === 'asked' && params.acr_values?.split(' ').includes(MFA) ? '<input name="code">' : '';
    ctx.type = 'html';
    ctx.body = `<form method="post" action="${ctx.path}"><input name="login"><input name="password">${code}</form>`;
    return undefined;
  }
  const form = new URLSearchParams(await text(ctx.req));
  const how = form.get('code') ? { acr: MFA, amr: ['pwd', 'otp'] } : { acr: PASSWORD, amr: ['pwd'] };
  return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: form.get('login'), ...how } }, { mergeWithLastSubmission: false });
}

async function noteRefusals(ctx, next) {
  await next();
  const whose = ctx.oidc?.entities?.RefreshToken?.accountId;
  if (ctx.status === 400 && whose) ctx.res.once('finish', () => fs.appendFileSync(options.refusals, `${Date.now()} ${whose}\n`));
}

function build(port) {
  const provider = new Provider(`https://127.0.0.1:${port}`, {
    adapter: Adapter,
    // Its guard against calls to private addresses would keep logout tokens from a gate on this machine.
    fetch: (url, { dispatcher, ...asked }) => fetch(url, asked),
    clients: options.clients,
    jwks: { keys },
    cookies: { keys: ['of a test'] },
    acrValues: options.acr ? [PASSWORD, MFA] : [],
    interactions: { policy: policy() },
    claims: { openid: ['sub', 'groups', ...(options.acr ? ['acr', 'amr', 'auth_time'] : [])], email: ['email', 'email_verified'], profile: ['name'] },
    scopes: ['openid', 'offline_access', 'email', 'profile'],
    conformIdTokenClaims: options.slim,
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => options.audience && options.accessTokens ? `urn:${options.audience}` : undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => {
          if (!resource.startsWith('urn:')) throw new errors.InvalidTarget();
          const format = resource.startsWith('urn:opaque:') ? 'opaque' : 'jwt';
          return { scope: 'api', audience: resource.replace(/^urn:(opaque:)?/, ''), accessTokenTTL: 600, accessTokenFormat: format };
        },
      },
    },
    extraTokenClaims: (_, token) => people[token.accountId ?? token.clientId] ?? {},
    findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    ttl: { AccessToken: 600, IdToken: 600, ClientCredentials: 600, Session: 3600, Grant: 3600, Interaction: 600, DeviceCode: 600, RefreshToken: 3600 },
    renderError: (ctx, out) => { ctx.type = 'text'; ctx.body = `${out.error}: ${out.error_description}`; },
  });
  provider.use((ctx, next) => signInPage(provider, ctx, next));
  provider.use(noteRefusals);
  provider.on('backchannel.error', (_, error) => console.error(error));
  return provider.callback();
}

addKey();
const server = https.createServer({ cert: fs.readFileSync(options.certificate), key: fs.readFileSync(options.key) }, (req, res) => {
  if (down) { res.statusCode = 503; res.end(); return; }
  current(req, res);
});
server.listen(options.port ?? 0, '127.0.0.1', () => {
  const { port } = server.address();
  current = build(port);
  console.log(`ready ${port}`);
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    if (line.startsWith('rotate')) {
      addKey();
      if (line === 'rotate alone') keys = keys.slice(0, 1);
      current = build(port);
    } else if (line === 'down' || line === 'up') {
      down = line === 'down';
    } else if (line.startsWith('disable ')) {
      for (const name of line.split(' ').slice(1)) delete people[name];
    }
    console.log(line);
  }).on('close', () => process.exit(0));
});
