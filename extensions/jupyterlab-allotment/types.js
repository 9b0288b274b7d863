// The types of a profile's file, from the schema that the models give. `node types.js --write` renews src/profile.ts.
const fs = require('fs');
const path = require('path');
const { compile } = require('json-schema-to-typescript');

const SCHEMA = path.join(__dirname, '..', '..', 'profiles', 'schemas', 'profile.json');
const TARGET = path.join(__dirname, 'src', 'profile.ts');

async function profileTypes() {
  const schema = JSON.parse(fs.readFileSync(SCHEMA, 'utf8'));
  return compile(schema, 'Profile', {
    bannerComment: '// Made from profiles/schemas/profile.json by `jlpm types`; do not edit.',
    additionalProperties: false,
    ignoreMinAndMaxItems: true,
    format: false
  });
}

profileTypes().then(text => {
  if (process.argv.includes('--write')) {
    fs.writeFileSync(TARGET, text);
  } else {
    process.stdout.write(text);
  }
});
