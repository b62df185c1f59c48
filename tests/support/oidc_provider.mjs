// A certified OpenID provider (npm oidc-provider) over TLS, steered by lines on standard input:
//   rotate            another key signs from now on; the former ones stay published
//   rotate alone      and the former ones are withdrawn
//   down, up          answer 503 to everything, or as before
// It prints "ready PORT" once, and a line for each command that it carried out.
import https from 'node:https';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import readline from 'node:readline';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const options = JSON.parse(process.argv[2]);
const require = createRequire(path.join(options.modules, 'x.js'));
const { default: Provider, errors } = await import(pathToFileURL(require.resolve('oidc-provider')));

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
let current;

function build(port) {
  const provider = new Provider(`https://127.0.0.1:${port}`, {
    adapter: Adapter,
    clients: options.clients,
    jwks: { keys },
    cookies: { keys: ['of a test'] },
    claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'], profile: ['name'] },
    scopes: ['openid', 'offline_access', 'email', 'profile'],
    conformIdTokenClaims: false,
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
    }
    console.log(line);
  }).on('close', () => process.exit(0));
});
